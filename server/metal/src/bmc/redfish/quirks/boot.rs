//! What is asked of the boot override, and whether it was reached.
//!
//! The disk is always asked for by name: where a `Once` is kept as `Continuous`, a machine that booted the network boots it
//! again until something else is set.

use underlay_core::{bmc::Target, host::Firmware};

use super::{
    super::model::{Boot, BootWish},
    Mode, Once, Quirks,
};

/// Ways to ask for `target`, best first.
///
/// # Errors
/// In words, why there is none.
pub(in super::super) fn boot_wishes(
    target: Target,
    firmware: Firmware,
    now: &Boot,
    quirks: &Quirks,
) -> Result<Vec<BootWish>, String> {
    let wanted = match firmware {
        Firmware::Bios => "Legacy",
        Firmware::Uefi => "UEFI",
    };
    let (mode, checked) = match (quirks.mode, now.mode.as_deref()) {
        (_, None) => (None, None),
        (Mode::Always, Some(_)) => (Some(wanted), Some(wanted)),
        (Mode::WhenItDiffers, Some(shown)) => ((shown != wanted).then_some(wanted), Some(wanted)),
        (Mode::ReadOnly, Some(shown)) if shown == wanted => (None, Some(wanted)),
        (Mode::ReadOnly, Some(shown)) => {
            let shown: String = shown.chars().take(20).collect();
            return Err(format!(
                "its firmware is set to {shown} and boot.mode wants {wanted}: set it in the firmware's own setup, or say so in boot.mode"
            ));
        }
    };
    let once = |targets: &[&'static str]| {
        targets.iter().map(|target| BootWish { enabled: "Once", target, mode, checked }).collect()
    };
    let wishes: Vec<BootWish> = match target {
        Target::NetworkOnce => once(&["Pxe"]),
        Target::HttpOnce => once(&["UefiHttp"]),
        Target::MediaOnce => once(&CDS),
        Target::Disk => vec![
            BootWish { enabled: "Continuous", target: "Hdd", mode, checked },
            BootWish { enabled: "Disabled", target: "None", mode: None, checked: None },
        ],
    };
    let wishes: Vec<_> = wishes.into_iter().filter(|wish| is_allowed(wish, now)).collect();
    if wishes.is_empty() {
        return Err(format!("it only knows {}", now.targets.as_deref().unwrap_or_default().join(", ")));
    }
    Ok(wishes)
}

/// What a virtual CD is called as a boot source: Supermicro has "UsbCd" beside a "Cd" that is the built-in drive, and some
/// know no more of it than that it is on USB.
pub(in super::super) const CDS: [&str; 3] = ["UsbCd", "Cd", "Usb"];

/// `target` as a wish.
pub(in super::super) fn words(target: Target) -> &'static str {
    match target {
        Target::NetworkOnce => "start from the network by PXE",
        Target::HttpOnce => "start from the network by HTTP",
        Target::MediaOnce => "start from its virtual CD",
        Target::Disk => "start from its disk",
    }
}

fn is_allowed(wish: &BootWish, now: &Boot) -> bool {
    match now.targets.as_deref() {
        None | Some([]) => true,
        Some(targets) => wish.enabled == "Disabled" || targets.iter().any(|one| one == wish.target),
    }
}

/// Does the system say just what was asked?
pub(in super::super) fn is_exactly(wish: &BootWish, boot: &Boot) -> bool {
    boot.enabled.as_deref() == Some(wish.enabled)
        && (wish.enabled == "Disabled" || boot.target.as_deref() == Some(wish.target))
        && (wish.checked.is_none() || boot.mode.as_deref() == wish.checked)
}

/// Does the system say what was asked, in its own way?
pub(in super::super) fn is_reached(wish: &BootWish, boot: &Boot, quirks: &Quirks) -> bool {
    let as_continuous = quirks.once == Once::AsContinuous
        && wish.enabled == "Once"
        && boot.enabled.as_deref() == Some("Continuous");
    is_exactly(wish, boot)
        || (as_continuous && is_exactly(&BootWish { enabled: "Continuous", ..wish.clone() }, boot))
}

/// What the system will start from, as far as its override tells.
pub(in super::super) fn next_boot(boot: &Boot) -> Option<Target> {
    match (boot.enabled.as_deref(), boot.target.as_deref()) {
        (Some("Once" | "Continuous"), Some("Pxe")) => Some(Target::NetworkOnce),
        (Some("Once" | "Continuous"), Some("UefiHttp")) => Some(Target::HttpOnce),
        (Some("Once" | "Continuous"), Some(cd)) if CDS.contains(&cd) => Some(Target::MediaOnce),
        (Some("Once" | "Continuous"), Some("Hdd")) => Some(Target::Disk),
        _ => None,
    }
}
