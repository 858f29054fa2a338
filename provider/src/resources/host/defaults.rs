//! What is taken where the configuration says nothing and the driver decides: a host that nobody can switch was adopted while
//! it ran, so it is protected, only ever forgotten, and known by what its agent found.

use tfplugin::{Attr, resource::Plan, schema::AttrType};

use super::model::Model;

/// Fills a plan.
pub(super) fn fill(plan: &mut Plan<Model>) {
    let prior = plan.prior.as_ref();
    let moves =
        |planned: &Model| prior.is_some_and(|it| AttrType::to_value(it) != AttrType::to_value(planned));
    let moved_before = moves(&plan.planned);
    let (config, planned) = (&plan.config, &mut plan.planned);
    if config.none.is_unknown() {
        return;
    }
    let is_adopted = config.none.is_value();
    if config.protected.is_null() {
        planned.protected = is_adopted.into();
    }
    if config.on_destroy.is_null() {
        planned.on_destroy = gone(is_adopted);
    }
    // Its parts are computed only because Terraform keeps no whole whose parts are not.
    planned.identity = match prior {
        Some(prior) if is_adopted && config.identity.is_null() => prior.identity.clone(),
        _ => config.identity.clone(),
    };
    if !moved_before && moves(planned) {
        // Nothing else changes, so nobody has said yet that the server has work to do.
        planned.phase = Attr::Unknown;
    }
}

/// The same for a plan that was made before the driver was known.
pub(super) fn known(plan: &Model) -> Model {
    let is_adopted = plan.none.is_value();
    let mut plan = plan.clone();
    if plan.protected.is_unknown() {
        plan.protected = is_adopted.into();
    }
    if plan.on_destroy.is_unknown() {
        plan.on_destroy = gone(is_adopted);
    }
    if plan.identity.is_unknown() {
        plan.identity = Attr::Null;
    }
    plan
}

fn gone(is_adopted: bool) -> Attr<String> {
    Attr::Value(if is_adopted { "forget" } else { "power_off" }.to_owned())
}
