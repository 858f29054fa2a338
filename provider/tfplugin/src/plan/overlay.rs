//! Edits written back without touching the rest.

use crate::cty::Value;

/// Writes into `target` what differs between `before` and `after`, at the deepest object that holds all of a difference.
pub(crate) fn overlay(target: &mut Value, before: &Value, after: Value) {
    if *before == after {
        return;
    }
    match (target, before, after) {
        (Value::Object(target), Value::Object(before), Value::Object(after)) => {
            for (name, after) in after {
                let target = target.entry(name.clone()).or_default();
                overlay(target, before.get(&name).unwrap_or(&Value::Null), after);
            }
        }
        (target, _, after) => *target = after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_leaves_partly_unknown_neighbours_alone() {
        let partly = Value::List(vec!["a".into(), Value::Unknown]);
        let mut target = Value::object([("list", partly.clone()), ("id", Value::Null)]);
        let before = Value::object([("list", Value::Unknown), ("id", Value::Null)]);
        let after = Value::object([("list", Value::Unknown), ("id", "x".into())]);
        overlay(&mut target, &before, after);
        assert_eq!(target, Value::object([("list", partly), ("id", "x".into())]));
    }
}
