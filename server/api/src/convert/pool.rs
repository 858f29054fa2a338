//! Pool on the wire, both ways.

use underlay_core::{
    FieldError, Object,
    pool::{Pool, Spec},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object, values};

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::PoolSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let max_disrupted = faults.parse_optional("max_disrupted", &message.max_disrupted);
    let replacements = message.replacements.unwrap_or(Spec::default().replacements);
    let values = values::values(&mut faults, "values", message.values);
    faults.into_result(Some(Spec { max_disrupted, replacements, values }))
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::PoolSpec {
    pb::PoolSpec {
        max_disrupted: spec.max_disrupted.map(|limit| limit.to_string()).unwrap_or_default(),
        replacements: Some(spec.replacements),
        values: values::message(&spec.values),
    }
}

/// Spells a pool.
pub(crate) fn message(pool: &Object<Pool>) -> pb::Pool {
    let status = &pool.status;
    pb::Pool {
        meta: Some(object::meta(&pool.meta)),
        spec: Some(spec_message(&pool.spec)),
        status: Some(pb::PoolStatus {
            hosts: status.hosts,
            free: status.free,
            claimed: status.claimed,
            quarantined: status.quarantined,
            waiting: status.waiting,
            disrupted: status.disrupted,
        }),
        standing: Some(object::standing(pool)),
    }
}
