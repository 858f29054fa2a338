//! What all objects share on the wire: key, identity, standing, failure. Towards the wire nothing can fail.

use jiff::Timestamp;
use underlay_core::{
    Amount, Brake, ErrorKind, Failure, FieldError, Key, Meta, Name, Noun, Object, Standing, State, Unit,
    brake,
};
use underlay_proto::v1 as pb;

use super::faults::Faults;

/// Reads a key; an empty site or owner means `default`.
///
/// # Errors
/// A fault at `name`, `owner` or `site`.
pub(crate) fn key(message: Option<pb::Key>) -> Result<Key, Vec<FieldError>> {
    let message = message.unwrap_or_default();
    let mut faults = Faults::default();
    let key = Key {
        site: faults.parse_optional("site", &message.site).unwrap_or_default(),
        owner: faults.parse_optional("owner", &message.owner).unwrap_or_default(),
        name: faults.parse::<Name>("name", &message.name).unwrap_or_default(),
    };
    faults.into_result(Some(key))
}

/// Spells a key.
pub(crate) fn key_message(key: &Key) -> pb::Key {
    pb::Key { site: key.site.to_string(), owner: key.owner.to_string(), name: key.name.to_string() }
}

/// Spells a point in time.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// Spells identity and bookkeeping.
pub(crate) fn meta(meta: &Meta) -> pb::Meta {
    pb::Meta {
        kind: meta.kind.to_string(),
        id: meta.id.to_string(),
        key: Some(key_message(&meta.key)),
        incarnation: meta.incarnation.to_string(),
        generation: meta.generation,
        observed_generation: meta.observed_generation,
        revision: meta.revision,
        created_at: Some(timestamp(meta.created_at)),
        deleted_at: meta.deleted_at.map(timestamp),
        purged_at: meta.purged_at.map(timestamp),
    }
}

/// Spells how an object stands, with the word for its state.
pub(crate) fn standing<N: Noun>(object: &Object<N>) -> pb::Standing {
    standing_of(&object.progress, object.state.phase(), object.state.is_settled())
}

/// Spells how an object stands whose phase is known as a word only.
pub(crate) fn standing_of(progress: &Standing, phase: &str, settled: bool) -> pb::Standing {
    pb::Standing {
        phase: phase.to_owned(),
        settled,
        since: Some(timestamp(progress.since)),
        evidence_at: Some(timestamp(progress.evidence_at)),
        waiting_for: progress.waiting_for.clone().unwrap_or_default(),
        amount: progress.amount.map(amount),
        next_run_at: progress.next_run_at.map(timestamp),
        failure: progress.failure.as_ref().map(failure),
        decided_at: progress.decided_at.clone(),
        attempts: progress.attempts,
        held: progress.held.as_ref().map(brake),
    }
}

/// Spells a brake.
pub(crate) fn brake(brake: &Brake) -> pb::Brake {
    let kind = match brake.kind {
        brake::Kind::Restored => pb::brake::Kind::Restored,
        brake::Kind::ObserveOnly => pb::brake::Kind::ObserveOnly,
        brake::Kind::Freeze => pb::brake::Kind::Freeze,
    };
    let or_all = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    pb::Brake {
        kind: kind.into(),
        site: or_all(&brake.reach.site),
        pool: or_all(&brake.reach.pool),
        by: brake.by.clone(),
        since: Some(timestamp(brake.since)),
        reason: brake.reason.clone(),
        release: brake.release(),
    }
}

fn amount(amount: Amount) -> pb::Amount {
    let unit = match amount.unit {
        Unit::Bytes => pb::amount::Unit::Bytes,
        Unit::Steps => pb::amount::Unit::Steps,
    };
    pb::Amount { done: amount.done, total: amount.total, unit: unit.into() }
}

/// Spells a failure in its four parts.
pub(crate) fn failure(failure: &Failure) -> pb::Failure {
    let kind = match failure.kind {
        ErrorKind::Transient => pb::failure::Kind::Transient,
        ErrorKind::Permanent => pb::failure::Kind::Permanent,
        ErrorKind::Invalid => pb::failure::Kind::Invalid,
    };
    pb::Failure {
        kind: kind.into(),
        what: failure.what.clone(),
        why: failure.why.clone(),
        done: failure.done.clone(),
        next: failure.next.clone(),
        attribute: failure.attribute.clone().unwrap_or_default(),
    }
}

/// Spells faults of a spec.
pub(crate) fn fields(faults: &[FieldError]) -> Vec<pb::FieldError> {
    faults
        .iter()
        .map(|fault| pb::FieldError { attribute: fault.attribute.clone(), message: fault.message.clone() })
        .collect()
}

/// Spells a condition.
pub(crate) fn condition(condition: &underlay_core::condition::Condition) -> pb::Condition {
    pb::Condition {
        name: condition.name.clone(),
        good: condition.health == underlay_core::condition::Health::Good,
        reason: condition.reason.clone(),
        since: Some(timestamp(condition.since)),
    }
}
