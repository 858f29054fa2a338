//! Reads a template, once from front to back.

use super::{DEPTH, Form, Part, TemplateError, When};

/// A section that has begun and not ended.
struct Begun {
    name: String,
    when: When,
    outer: Vec<Part>,
}

pub(super) fn template(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut rest = text;
    let mut parts = Vec::new();
    let mut begun: Vec<Begun> = Vec::new();
    // Nothing of the line stands before `rest`.
    let mut at_line_start = true;
    while let Some((before, tag)) = rest.split_once("{{") {
        let line = || text[..text.len() - tag.len()].matches('\n').count() + 1;
        let (inside, after) = tag.split_once("}}").ok_or_else(|| TemplateError::Unclosed { line: line() })?;
        let what = inside.trim();
        let is_bound = what.starts_with(['#', '^', '/']);
        let (before, after, swallowed) = match alone(before, after, at_line_start).filter(|_| is_bound) {
            Some((before, after)) => (before, after, true),
            None => (before, after, false),
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let unknown = || TemplateError::Unknown { line: line(), what: shortened(what) };
        match what.split_at_checked(1) {
            Some((sign @ ("#" | "^"), name)) => {
                if begun.len() >= DEPTH {
                    return Err(TemplateError::Deep);
                }
                let when = if sign == "#" { When::Given } else { When::Absent };
                let name = named(name).ok_or_else(unknown)?;
                begun.push(Begun { name, when, outer: std::mem::take(&mut parts) });
            }
            Some(("/", name)) => {
                let name = name.trim();
                let crossed = || TemplateError::Crossed { line: line(), name: shortened(name) };
                let section = begun.pop().filter(|section| section.name == name).ok_or_else(crossed)?;
                let inner = std::mem::replace(&mut parts, section.outer);
                parts.push(Part::Section { name: section.name, when: section.when, inner });
            }
            _ => parts.push(place(what).ok_or_else(unknown)?),
        }
        at_line_start = swallowed;
        rest = after;
    }
    if let Some(section) = begun.pop() {
        return Err(TemplateError::Open { name: section.name });
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

fn place(what: &str) -> Option<Part> {
    let (form, name) = match what.split_once(char::is_whitespace) {
        Some(("json", name)) => (Form::Json, name),
        Some(("shell", name)) => (Form::Shell, name),
        Some(_) => return None,
        None => (Form::Plain, what),
    };
    named(name).map(|name| Part::Place { name, form })
}

fn named(name: &str) -> Option<String> {
    let name = name.trim();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (!name.is_empty() && name.len() <= 128 && name.chars().all(good)).then(|| name.to_owned())
}

/// What is before and after a tag, without the rest of its line; `None` where the tag does not have the line for itself.
fn alone<'a>(before: &'a str, after: &'a str, at_line_start: bool) -> Option<(&'a str, &'a str)> {
    let (kept, indent) = match before.rfind('\n') {
        Some(at) => before.split_at(at + 1),
        None if at_line_start => ("", before),
        None => return None,
    };
    let (trailing, next) = after.split_once('\n').unwrap_or((after, ""));
    let blank = |text: &str| text.chars().all(|c| matches!(c, ' ' | '\t' | '\r'));
    (blank(indent) && blank(trailing)).then_some((kept, next))
}
