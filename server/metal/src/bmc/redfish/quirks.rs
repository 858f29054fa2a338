//! What real BMCs make of the standard, each with where it was seen.
//!
//! - sushy-tools 2.2.0 reports an override that was set `Once` as `Continuous`, and keeps it: a machine that
//!   booted the network boots it again until `Hdd` is set. So the disk is always asked for by name.
//! - sushy-tools 2.2.0 has no SessionService (404): the login falls back to HTTP Basic.
//! - `BootSourceOverrideMode` is written only where the system shows it; others answer 400 to a property they lack.
//! - A reset into the state the system is in already is 400 or 409 on some: the state is read again then.
//! - `If-Match` with the ETag just read is answered 412 by some that change it on every read: it is left out then.

use reqwest::StatusCode;
use underlay_core::{
    bmc::{Power, Target},
    host::{self, BootMethod, Firmware},
};

use super::model::{Boot, BootWish};

/// The resets that reach `power`, best first. Nothing graceful: an operating system that does not listen must not
/// keep a host on. No toggles: pressing a button twice is not idempotent.
pub(super) fn resets(power: Power) -> &'static [&'static str] {
    match power {
        Power::On => &["On", "ForceOn"],
        Power::Off => &["ForceOff"],
        Power::Unknown => &[],
    }
}

/// The first reset that is allowed; without a list, the best one.
pub(super) fn choose_reset(power: Power, allowed: Option<&[String]>) -> Option<&'static str> {
    let mut resets = resets(power).iter().copied();
    match allowed {
        None | Some([]) => resets.next(),
        Some(allowed) => resets.find(|reset| allowed.iter().any(|one| one == reset)),
    }
}

/// Ways to ask for `target`, best first.
pub(super) fn boot_wishes(target: Target, how: &host::Boot, now: &Boot) -> Vec<BootWish> {
    let mode = now.mode.as_ref().map(|_| match how.mode {
        Firmware::Bios => "Legacy",
        Firmware::Uefi => "UEFI",
    });
    let allowed = |wish: &BootWish| match now.targets.as_deref() {
        None | Some([]) => true,
        Some(targets) => wish.enabled == "Disabled" || targets.iter().any(|one| one == wish.target),
    };
    let network = |method: &BootMethod| BootWish {
        enabled: "Once",
        target: match method {
            BootMethod::Pxe => "Pxe",
            BootMethod::Http => "UefiHttp",
            BootMethod::VirtualMedia => "Cd",
        },
        mode,
    };
    let wishes = match target {
        Target::NetworkOnce => how.methods.iter().map(network).collect(),
        Target::Disk => vec![
            BootWish { enabled: "Continuous", target: "Hdd", mode },
            BootWish { enabled: "Disabled", target: "None", mode: None },
        ],
    };
    wishes.into_iter().filter(allowed).collect()
}

/// Does the system say just what was asked?
pub(super) fn is_exactly(wish: &BootWish, boot: &Boot) -> bool {
    boot.enabled.as_deref() == Some(wish.enabled)
        && (wish.enabled == "Disabled" || boot.target.as_deref() == Some(wish.target))
        && (wish.mode.is_none() || boot.mode.as_deref() == wish.mode)
}

/// Does the system say what was asked, in its own way?
pub(super) fn is_reached(wish: &BootWish, boot: &Boot) -> bool {
    let as_continuous = wish.enabled == "Once" && boot.enabled.as_deref() == Some("Continuous");
    is_exactly(wish, boot)
        || (as_continuous && is_exactly(&BootWish { enabled: "Continuous", ..wish.clone() }, boot))
}

/// What the system will start from, as far as its override tells.
pub(super) fn next_boot(boot: &Boot) -> Option<Target> {
    match (boot.enabled.as_deref(), boot.target.as_deref()) {
        (Some("Once" | "Continuous"), Some("Pxe" | "UefiHttp")) => Some(Target::NetworkOnce),
        (Some("Once" | "Continuous"), Some("Hdd")) => Some(Target::Disk),
        _ => None,
    }
}

/// May this answer to a reset mean that there was nothing to do?
pub(super) fn may_mean_already(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT)
}

/// Does this answer to a PATCH say that the values will never do?
pub(super) fn is_rejected(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::NOT_IMPLEMENTED
    )
}

/// Does this answer to a login say that there are no sessions to be had, ever?
pub(super) fn lacks_sessions(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED
    )
}
