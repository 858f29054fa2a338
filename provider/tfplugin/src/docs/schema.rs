//! The "Schema" section of a page: required, optional and read-only attributes, then what is nested in them.

use std::fmt::Write;

use crate::schema::{Attribute, Flag, Nesting, Presence, Shape};

/// The section, ending in a newline.
pub(super) fn section(attributes: &[Attribute]) -> String {
    let mut out = String::from("## Schema\n");
    groups(&mut out, attributes, "");
    nested(&mut out, attributes, "");
    out
}

fn groups(out: &mut String, attributes: &[Attribute], prefix: &str) {
    let groups: [(&str, &[Presence]); 3] = [
        ("Required", &[Presence::Required]),
        ("Optional", &[Presence::Optional, Presence::OptionalComputed]),
        ("Read-Only", &[Presence::Computed]),
    ];
    for (title, belongs) in groups {
        let mut members: Vec<_> =
            attributes.iter().filter(|attribute| belongs.contains(&attribute.presence())).collect();
        members.sort_by_key(|attribute| attribute.name());
        if members.is_empty() {
            continue;
        }
        let marks = if prefix.is_empty() { "### " } else { "" };
        let colon = if prefix.is_empty() { "" } else { ":" };
        // Writing to a string does not fail.
        let _ = writeln!(out, "\n{marks}{title}{colon}\n");
        members.iter().for_each(|attribute| line(out, attribute, prefix));
    }
}

fn line(out: &mut String, attribute: &Attribute, prefix: &str) {
    let name = attribute.name();
    let _ = write!(out, "- `{name}` ({})", kind(attribute));
    let text = attribute.description().split_whitespace().collect::<Vec<_>>().join(" ");
    if !text.is_empty() {
        let _ = write!(out, " {text}");
    }
    if let Some(instead) = attribute.deprecation() {
        let _ = write!(out, " **Deprecated:** {instead}");
    }
    if let Some(default) = attribute.default().and_then(default) {
        let _ = write!(out, " Default: `{default}`.");
    }
    if attribute.has(Flag::RequiresReplace) {
        let _ = write!(out, " A change replaces the object.");
    }
    if matches!(attribute.shape(), Shape::Nested(..)) {
        let _ = write!(out, " (see [below for nested schema](#nestedatt--{}))", anchor(&join(prefix, name)));
    }
    out.push('\n');
}

/// `String, Sensitive`, `Attributes List`.
fn kind(attribute: &Attribute) -> String {
    let mut words = vec![match attribute.shape() {
        Shape::Type(ty) => ty.to_string(),
        Shape::Nested(Nesting::Single, _) => "Attributes".to_owned(),
        Shape::Nested(Nesting::List, _) => "Attributes List".to_owned(),
        Shape::Nested(Nesting::Set, _) => "Attributes Set".to_owned(),
        Shape::Nested(Nesting::Map, _) => "Attributes Map".to_owned(),
    }];
    let flags = [
        (Flag::Sensitive, "Sensitive"),
        (
            Flag::WriteOnly,
            "[Write-only](https://developer.hashicorp.com/terraform/language/resources/ephemeral#write-only-arguments)",
        ),
    ];
    words.extend(flags.iter().filter(|(flag, _)| attribute.has(*flag)).map(|(_, word)| (*word).to_owned()));
    words.extend(attribute.deprecation().map(|_| "Deprecated".to_owned()));
    words.join(", ")
}

/// A default short enough to print.
fn default(value: &crate::cty::Value) -> Option<String> {
    use crate::cty::Value;
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(format!("{text:?}")),
        _ => None,
    }
}

fn nested(out: &mut String, attributes: &[Attribute], prefix: &str) {
    let mut members: Vec<_> = attributes.iter().collect();
    members.sort_by_key(|attribute| attribute.name());
    for attribute in members {
        if let Shape::Nested(_, inner) = attribute.shape() {
            let path = join(prefix, attribute.name());
            let _ = writeln!(
                out,
                "\n<a id=\"nestedatt--{}\"></a>\n### Nested Schema for `{path}`",
                anchor(&path)
            );
            groups(out, inner, &path);
            nested(out, inner, &path);
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn anchor(path: &str) -> String {
    path.replace('.', "--")
}
