//! What happens to every plan before a resource sees it, in this order: defaults, write-only values dropped, computed
//! values marked unknown if anything changes, plan modifiers. After the resource has seen it: replacement.

use super::walk::{Descend, Visit, walk};
use crate::{
    cty::{Path, Value},
    resource::Draft,
    schema::{Attribute, Block, Flag, Modification},
};

/// Brings a proposed state into the form a resource may plan with.
pub(crate) fn automatic(block: &Block, draft: &mut Draft) {
    let attributes = block.attributes();
    let Draft { config, prior, planned, replace } = draft;
    let prior = prior.as_ref();
    each(attributes, config, prior, planned, &mut defaults);
    if prior != Some(planned) {
        each(attributes, config, prior, planned, &mut mark_unknown);
    }
    each(attributes, config, prior, planned, &mut |visit| modify(visit, replace));
}

/// The attributes whose change replaces the object. Nothing is replaced that is only created.
pub(crate) fn replacements(block: &Block, draft: &mut Draft) {
    let Draft { config, prior: Some(prior), planned, replace } = draft else { return };
    each(block.attributes(), config, Some(prior), planned, &mut |visit| {
        let changed = visit.prior.unwrap_or(&Value::Null) != &*visit.planned;
        if changed && visit.attribute.has(Flag::RequiresReplace) {
            replace.push(visit.at.clone());
        }
        Descend::Yes
    });
    replace.sort();
    replace.dedup();
}

fn each(
    attributes: &[Attribute],
    config: &Value,
    prior: Option<&Value>,
    planned: &mut Value,
    visitor: &mut super::walk::Visitor<'_>,
) {
    walk(attributes, config, prior, planned, &Path::root(), visitor);
}

/// Defaults where the configuration has none; write-only values are never planned.
fn defaults(visit: Visit<'_>) -> Descend {
    if visit.attribute.has(Flag::WriteOnly) {
        *visit.planned = Value::Null;
        return Descend::No;
    }
    match visit.attribute.default() {
        Some(default) if visit.config.is_null() => {
            *visit.planned = default.clone();
            Descend::No
        }
        _ => Descend::Yes,
    }
}

/// Something changes, so what the provider computes may change too.
fn mark_unknown(visit: Visit<'_>) -> Descend {
    if !visit.config.is_null() {
        return Descend::Yes;
    }
    if visit.attribute.is_computed() && visit.attribute.default().is_none() {
        *visit.planned = Value::Unknown;
    }
    Descend::No
}

/// `keep` and the attribute's own modifiers.
fn modify(visit: Visit<'_>, replace: &mut Vec<Path>) -> Descend {
    let Visit { attribute, config, prior, planned, at } = visit;
    if let Some(prior) = prior
        && attribute.has(Flag::Keep)
        && config.is_null()
        && planned.is_unknown()
    {
        *planned = prior.clone();
    }
    for modifier in attribute.modifiers() {
        let mut modification = Modification { config, prior, planned, replace: false };
        modifier(&mut modification);
        if modification.replace {
            replace.push(at.clone());
        }
    }
    Descend::Yes
}
