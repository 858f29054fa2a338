//! Terraform configuration as text: quoted so that whatever a label, a serial number or a firmware's string holds, it is
//! that text and nothing else (HCL native syntax, "Template Expressions" and "Literal Expressions").

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Quoted text.
    Text(String),
    /// A number.
    Number(u64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Value>),
    /// Attributes by name; what has a name that is no identifier is quoted.
    Object(Vec<(String, Value)>),
    /// An expression as it stands.
    Plain(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Flag(flag)
    }
}

/// The attributes of a block or an object in the making; what is empty is left out.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<(String, Value)>);

impl Attributes {
    /// Sets one.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Sets one, unless the text is empty.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.set(name, text);
        }
        self
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a value.
    pub fn object(self) -> Value {
        Value::Object(self.0)
    }

    /// As a block, `resource "underlay_host" "a" {`.
    pub fn block(self, head: &str) -> String {
        let lines = self.0.iter().map(|(name, value)| (name.clone(), value.spell(1))).collect::<Vec<_>>();
        format!("{head} {{\n{}}}\n", aligned(&lines, "  "))
    }
}

/// Lines of attributes, with the equals signs beneath each other as `terraform fmt` wants them: those of neighbours that
/// each take one line.
fn aligned(lines: &[(String, String)], pad: &str) -> String {
    let mut text = String::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let short = rest.iter().take_while(|(_, value)| !value.contains('\n')).count();
        let (group, others) = rest.split_at(short.max(1));
        let width = group.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, value) in group {
            let _ = writeln!(text, "{pad}{name:width$} = {value}");
        }
        rest = others;
    }
    text
}

impl Value {
    /// The text of it, `depth` levels in.
    fn spell(&self, depth: usize) -> String {
        match self {
            Value::Text(text) => quoted(text),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Plain(text) => text.clone(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.spell(depth)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(attributes) if attributes.is_empty() => "{}".into(),
            Value::Object(attributes) => {
                let spell = |(name, value): &(String, Value)| (key(name), value.spell(depth + 1));
                let lines: Vec<_> = attributes.iter().map(spell).collect();
                let pad = "  ".repeat(depth);
                format!("{{\n{}{pad}}}", aligned(&lines, &format!("{pad}  ")))
            }
        }
    }
}

/// A key of an object: bare where that is allowed, and cannot be taken for a word of the language.
fn key(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["true", "false", "null", "for", "if", "in"].contains(&name);
    if bare { name.to_owned() } else { quoted(name) }
}

/// Text in quotes, in which nothing is a template.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' => {
                out.push(letter);
                // "${" begins a template, "$${" is those two letters; a sign that stands before is doubled with it.
                if letters.peek() == Some(&'{') {
                    out.push(letter);
                }
            }
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A name that a resource may have: letters, digits, `_` and `-`, beginning with a letter.
pub fn identifier(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    let text: String = name.chars().map(plain).collect();
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) { text } else { format!("host_{text}") }
}

/// A line that Terraform does not read. What is not ours cannot end it.
pub fn comment(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c })
        .collect();
    format!("# {text}\n")
}

#[cfg(test)]
mod tests;
