//! What real BMCs make of the standard, each with where it was seen.
//!
//! - sushy-tools 2.2.0 reports an override that was set `Once` as `Continuous`, and keeps it: a machine that
//!   booted the network boots it again until `Hdd` is set. So the disk is always asked for by name.
//! - sushy-tools 2.2.0 has no SessionService (404): the login falls back to HTTP Basic.
//! - `BootSourceOverrideMode` is written only where the system shows it; others answer 400 to a property they lack.
//! - A reset into the state the system is in already is 400 or 409 on some: the state is read again then.
//! - `If-Match` with the ETag just read is answered 412 by some that change it on every read: it is left out then.

use reqwest::StatusCode;
use serde_json::{Map, Value, json};
use underlay_core::{
    bmc::{Power, Target},
    host::Firmware,
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
pub(super) fn boot_wishes(target: Target, firmware: Firmware, now: &Boot) -> Vec<BootWish> {
    let mode = now.mode.as_ref().map(|_| match firmware {
        Firmware::Bios => "Legacy",
        Firmware::Uefi => "UEFI",
    });
    let allowed = |wish: &BootWish| match now.targets.as_deref() {
        None | Some([]) => true,
        Some(targets) => wish.enabled == "Disabled" || targets.iter().any(|one| one == wish.target),
    };
    let once = |targets: &[&'static str]| {
        targets.iter().map(|target| BootWish { enabled: "Once", target, mode }).collect()
    };
    let wishes: Vec<_> = match target {
        Target::NetworkOnce => once(&["Pxe"]),
        Target::HttpOnce => once(&["UefiHttp"]),
        Target::MediaOnce => once(&CDS),
        Target::Disk => vec![
            BootWish { enabled: "Continuous", target: "Hdd", mode },
            BootWish { enabled: "Disabled", target: "None", mode: None },
        ],
    };
    wishes.into_iter().filter(allowed).collect()
}

/// What a virtual CD is called as a boot source: Supermicro has "UsbCd" beside a "Cd" that is the built-in drive, and some
/// know no more of it than that it is on USB.
const CDS: [&str; 3] = ["UsbCd", "Cd", "Usb"];

/// `target` as a wish.
pub(super) fn words(target: Target) -> &'static str {
    match target {
        Target::NetworkOnce => "start from the network by PXE",
        Target::HttpOnce => "start from the network by HTTP",
        Target::MediaOnce => "start from its virtual CD",
        Target::Disk => "start from its disk",
    }
}

/// Ways to say that an image be inserted, best first: all that the standard has, then the least, then with what Lenovo's
/// XCC and Supermicro's BMCs want to be told. `known` is what the action takes, where it says so.
pub(super) fn insertions(url: &str, known: Option<&[String]>) -> Vec<Value> {
    let protocol = if url.starts_with("https:") { "HTTPS" } else { "HTTP" };
    let ways: [&[(&str, Value)]; 3] = [
        &[("Inserted", json!(true)), ("WriteProtected", json!(true))],
        &[],
        &[("TransferProtocolType", json!(protocol)), ("TransferMethod", json!("Stream"))],
    ];
    let mut wishes: Vec<Value> = Vec::new();
    for way in ways {
        let mut wish = Map::from_iter([("Image".to_owned(), json!(url))]);
        let takes = |name: &str| known.is_none_or(|known| known.iter().any(|one| one == name));
        wish.extend(
            way.iter().filter(|(name, _)| takes(name)).map(|(name, value)| ((*name).into(), value.clone())),
        );
        let wish = Value::Object(wish);
        if !wishes.contains(&wish) {
            wishes.push(wish);
        }
    }
    wishes
}

/// Does this answer mean that it may do later?
pub(super) fn is_for_later(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::LOCKED
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
    )
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
        (Some("Once" | "Continuous"), Some("Pxe")) => Some(Target::NetworkOnce),
        (Some("Once" | "Continuous"), Some("UefiHttp")) => Some(Target::HttpOnce),
        (Some("Once" | "Continuous"), Some(cd)) if CDS.contains(&cd) => Some(Target::MediaOnce),
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
