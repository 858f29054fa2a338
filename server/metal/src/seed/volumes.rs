//! The script that makes a machine's volumes at the first boot of its system: found again where they are kept, made where their
//! disks are blank, and never made over anything else unless that was asked for.
//!
//! It runs once per deployment, before anything is mounted that it makes (cloud-init's `bootcmd`), with the tools of the image:
//! `lvm2` for LVM, `mdadm` for mirrors. Where it fails, the call home is called off: a machine without its volumes is not ready.

use std::collections::BTreeMap;

use underlay_core::machine::{Keep, Volume, volume::Resolved};

/// What it is made of; the calls are put behind it.
const SCRIPT: &str = include_str!("volumes/make.sh");

/// The script for these volumes, on the disks with these serial numbers; none where there are no volumes.
pub(super) fn script(volumes: &BTreeMap<String, Volume>, disks: &Resolved) -> Option<String> {
    if volumes.is_empty() {
        return None;
    }
    let calls = volumes.iter().map(|(name, volume)| {
        let keep = match volume.keep {
            Keep::Preserve => "keep",
            Keep::Erase => "erase",
        };
        let words = [name, volume.layout.word(), volume.filesystem.word(), &volume.mount, keep];
        let serials = disks.get(name).into_iter().flatten().map(String::as_str);
        let words: Vec<_> = words.into_iter().chain(serials).map(quoted).collect();
        format!("volume {}\n", words.join(" "))
    });
    Some(SCRIPT.lines().chain([""]).collect::<Vec<_>>().join("\n") + &calls.collect::<String>())
}

/// As one word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
