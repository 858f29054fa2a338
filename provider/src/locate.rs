//! Dotted attribute paths of the server as paths into the configuration. Only the schema tells whether `a.b` is an attribute
//! of an object or an entry of a map, and whether `a.0` is an element of a list.

use tfplugin::{
    cty::{Path, Step, Type},
    schema::{Attribute, Nesting, Shape},
};

/// The longest part of a dotted path that the schema knows; `None` where it knows none of it.
pub(crate) fn locate(attributes: &[Attribute], dotted: &str) -> Option<Path> {
    let (name, rest) = dotted.split_once('.').unwrap_or((dotted, ""));
    let attribute = attributes.iter().find(|attribute| attribute.name() == name)?;
    let path = Path::root().attribute(name);
    Some(within(attribute.shape(), path, rest))
}

/// The part of a path whose source line Terraform finds: it does not look into `name = { ... }`, and would show the head of
/// the resource instead of that line.
pub(crate) fn shown(path: &Path) -> Path {
    let is_name = |step: &Step| matches!(step, Step::Attribute(_));
    let steps = path.steps().iter().enumerate();
    steps
        .take_while(|(depth, step)| *depth == 0 || (*depth == 1 && !is_name(step)))
        .map(|(_, step)| step.clone())
        .collect()
}

fn within(shape: &Shape, at: Path, rest: &str) -> Path {
    if rest.is_empty() {
        return at;
    }
    let (head, tail) = rest.split_once('.').unwrap_or((rest, ""));
    match shape {
        Shape::Nested(Nesting::Single, nested) => deeper(nested, at, rest),
        Shape::Nested(Nesting::Map, nested) => deeper(nested, at.key(head), tail),
        Shape::Nested(Nesting::List, nested) => match head.parse() {
            Ok(index) => deeper(nested, at.index(index), tail),
            Err(_) => at,
        },
        // The key of a plain map may hold dots itself.
        Shape::Type(Type::Map(_)) => at.key(rest),
        Shape::Type(Type::List(_)) => head.parse().map_or_else(|_| at.clone(), |index| at.index(index)),
        Shape::Nested(Nesting::Set, _) | Shape::Type(_) => at,
    }
}

fn deeper(nested: &[Attribute], at: Path, rest: &str) -> Path {
    match locate(nested, rest) {
        Some(inner) => inner.steps().iter().fold(at, |path, step: &Step| path.step(step.clone())),
        None => at,
    }
}
