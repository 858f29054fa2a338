//! What a BMC may be sent, and what its statuses mean, whoever made it.
//!
//! - A reset into the state the system is in already is 400 or 409 on some: the state is read again then.
//! - A login that finds no room is 503 on iDRAC (RAC0218) and 400 on others: HTTP Basic serves meanwhile.
//! - sushy-tools 2.2.0 has no SessionService (404): HTTP Basic serves for good.

use reqwest::StatusCode;
use underlay_core::bmc::Power;

/// The resets that reach `power`, best first. Nothing graceful: an operating system that does not listen must not
/// keep a host on. No toggles: pressing a button twice is not idempotent.
fn resets(power: Power) -> &'static [&'static str] {
    match power {
        Power::On => &["On", "ForceOn"],
        Power::Off => &["ForceOff"],
        Power::Unknown => &[],
    }
}

/// The first reset that is allowed; without a list, the best one.
pub(in super::super) fn choose_reset(power: Power, allowed: Option<&[String]>) -> Option<&'static str> {
    let mut resets = resets(power).iter().copied();
    match allowed {
        None | Some([]) => resets.next(),
        Some(allowed) => resets.find(|reset| allowed.iter().any(|one| one == reset)),
    }
}

/// May this answer to a reset mean that there was nothing to do?
pub(in super::super) fn may_mean_already(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT)
}

/// Does this answer to a PATCH say that the values will never do?
pub(in super::super) fn is_rejected(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::NOT_IMPLEMENTED
    )
}

/// Does this answer to a login say that there are no sessions to be had, ever?
pub(in super::super) fn lacks_sessions(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

/// May this answer to a login say that there is no room for one more session?
pub(in super::super) fn is_full(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::INSUFFICIENT_STORAGE
    )
}

/// Does this answer ask us to come back?
pub(in super::super) fn may_pass(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

/// Does this answer to an insertion mean that it may do later?
pub(in super::super) fn is_for_later(status: StatusCode) -> bool {
    may_pass(status)
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::LOCKED
        )
}
