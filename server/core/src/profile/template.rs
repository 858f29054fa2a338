//! Text with places for values, in a part of Mustache that can compute nothing:
//!
//! | written | becomes |
//! |---|---|
//! | `{{name}}` | the value, which must be a single one, as it is |
//! | `{{json name}}` | any value as JSON, which is YAML too |
//! | `{{shell name}}` | a single value as one word of a POSIX shell |
//! | `{{#name}}...{{/name}}` | `...` once for each element of a list, once for another value, not at all for `false`, nothing or an empty list |
//! | `{{^name}}...{{/name}}` | `...` where the former gives nothing |
//! | `{{.}}`, `{{json .}}`, `{{shell .}}` | in a section: its element, or its value |
//!
//! A line that holds nothing but the beginning or end of a section leaves no line, as in Mustache. An attribute that nobody
//! gives may only begin a section: elsewhere its absence is an error, never an empty text.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Declaration, Type};

/// How deep sections may be nested.
const DEPTH: usize = 8;
/// The most that a template may become, in bytes.
const RENDERED: usize = 256 << 10;

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { name: String, form: Form },
    Section { name: String, when: When, inner: Vec<Part> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Json,
    Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Given,
    Absent,
}

/// Why a template cannot be read or filled in. Names stand in it, and never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error(
        "line {line}: \"{{{{\" is not closed; a file that has such text of its own is written as content, not as template"
    )]
    Unclosed {
        /// The line, from 1.
        line: usize,
    },
    /// What stands between the braces means nothing.
    #[error(
        "line {line}: \"{{{{{what}}}}}\" is nothing that can be filled in; there are {{{{name}}}}, {{{{json name}}}}, {{{{shell name}}}}, {{{{#name}}}}, {{{{^name}}}} and {{{{/name}}}}"
    )]
    Unknown {
        /// The line, from 1.
        line: usize,
        /// What stands there.
        what: String,
    },
    /// A section ends that did not begin, or another one.
    #[error("line {line}: \"{{{{/{name}}}}}\" ends no section that is open")]
    Crossed {
        /// The line, from 1.
        line: usize,
        /// Its name.
        name: String,
    },
    /// A section does not end.
    #[error("section \"{{{{#{name}}}}}\" has no \"{{{{/{name}}}}}\"")]
    Open {
        /// Its name.
        name: String,
    },
    /// Sections in sections in sections.
    #[error("sections are nested more than {DEPTH} deep")]
    Deep,
    /// Nobody gives the attribute.
    #[error(
        "attribute {name:?} has no value here; give it one, or put its place into {{{{#{name}}}}}...{{{{/{name}}}}}"
    )]
    Absent {
        /// The attribute.
        name: String,
    },
    /// The value is a list or a map.
    #[error(
        "attribute {name:?} is a list or a map here, which cannot stand in a text as it is; use {{{{json {name}}}}} or a section"
    )]
    NotPlain {
        /// The attribute.
        name: String,
    },
    /// It would become too long.
    #[error("it becomes longer than {RENDERED} bytes")]
    Long,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text).map(Self)
    }

    /// Is it filled in only with what is declared, in a form that fits the type?
    pub fn faults(&self, schema: &BTreeMap<String, Declaration>) -> Vec<String> {
        let mut faults = Vec::new();
        check(&self.0, schema, None, &mut faults);
        faults
    }

    /// The attributes it mentions.
    pub fn mentions(&self, name: &str) -> bool {
        fn within(parts: &[Part], name: &str) -> bool {
            parts.iter().any(|part| match part {
                Part::Text(_) => false,
                Part::Place { name: place, .. } => place == name,
                Part::Section { name: section, inner, .. } => section == name || within(inner, name),
            })
        }
        within(&self.0, name)
    }

    /// The text, with the values filled in.
    ///
    /// # Errors
    /// [`TemplateError::Absent`], [`TemplateError::NotPlain`] or [`TemplateError::Long`].
    pub fn render(&self, value: &dyn Fn(&str) -> Option<Value>) -> Result<String, TemplateError> {
        let mut text = String::new();
        render(&self.0, value, None, &mut text)?;
        Ok(text)
    }
}

fn check(
    parts: &[Part],
    schema: &BTreeMap<String, Declaration>,
    element: Option<&Type>,
    faults: &mut Vec<String>,
) {
    for part in parts {
        let name = match part {
            Part::Text(_) => continue,
            Part::Place { name, .. } | Part::Section { name, .. } => name,
        };
        let ty = if name == "." { element } else { schema.get(name).map(|declared| &declared.ty) };
        let Some(ty) = ty else {
            faults.push(match name.as_str() {
                "." => "\"{{.}}\" stands in no section".to_owned(),
                name => format!("{name:?} is not in schema"),
            });
            continue;
        };
        match part {
            Part::Place { form: Form::Plain | Form::Shell, .. } if !ty.is_plain() => {
                faults.push(TemplateError::NotPlain { name: name.clone() }.to_string());
            }
            Part::Section { inner, when, .. } => {
                let element = match (ty, when) {
                    (_, When::Absent) => None,
                    (Type::List(of), When::Given) => Some(&**of),
                    (ty, When::Given) => Some(ty),
                };
                check(inner, schema, element, faults);
            }
            _ => {}
        }
    }
}

fn render(
    parts: &[Part],
    value: &dyn Fn(&str) -> Option<Value>,
    element: Option<&Value>,
    text: &mut String,
) -> Result<(), TemplateError> {
    let find = |name: &str| if name == "." { element.cloned() } else { value(name) };
    for part in parts {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Place { name, form } => {
                let value = find(name).ok_or_else(|| TemplateError::Absent { name: name.clone() })?;
                let not_plain = || TemplateError::NotPlain { name: name.clone() };
                match form {
                    Form::Json => text.push_str(&value.to_string()),
                    Form::Plain => text.push_str(&plain(&value).ok_or_else(not_plain)?),
                    Form::Shell => {
                        let word = plain(&value).ok_or_else(not_plain)?;
                        text.push_str(&format!("'{}'", word.replace('\'', r"'\''")));
                    }
                }
            }
            Part::Section { name, when, inner } => match (find(name), when) {
                (None | Some(Value::Bool(false) | Value::Null), When::Given) => {}
                (Some(Value::Array(items)), When::Given) => {
                    items.iter().try_for_each(|item| render(inner, value, Some(item), text))?;
                }
                (Some(given), When::Given) => render(inner, value, Some(&given), text)?,
                (None | Some(Value::Bool(false) | Value::Null), When::Absent) => {
                    render(inner, value, element, text)?
                }
                (Some(Value::Array(items)), When::Absent) if items.is_empty() => {
                    render(inner, value, element, text)?
                }
                (Some(_), When::Absent) => {}
            },
        }
        if text.len() > RENDERED {
            return Err(TemplateError::Long);
        }
    }
    Ok(())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

mod parse;

#[cfg(test)]
mod tests;
