//! Which disk? Exactly one must be left when every hint has spoken; anything else is an error that lists what is there.

use crate::{Bytes, agent::Disk, machine::RootHint};

/// Why no disk can be chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No disk matches.
    #[error("no disk matches {hint}; there are: {present}")]
    None {
        /// The hints in words.
        hint: String,
        /// The disks in words.
        present: String,
    },
    /// More than one does.
    #[error(
        "{hint} matches more than one disk: {matching}; add root = {{ serial = \"..\" }} or by_path to tell them apart"
    )]
    Several {
        /// The hints in words.
        hint: String,
        /// The disks in words.
        matching: String,
    },
    /// The one that matches is too small for the image.
    #[error("disk {disk} is too small: the image needs {needed}")]
    TooSmall {
        /// The disk in words.
        disk: String,
        /// What the image needs.
        needed: Bytes,
    },
}

/// The one disk that `hint` means and on which `needed` fits.
///
/// # Errors
/// See [`Error`].
pub fn choose<'a>(disks: &'a [Disk], hint: &RootHint, needed: Bytes) -> Result<&'a Disk, Error> {
    let matching: Vec<&Disk> = disks.iter().filter(|disk| matches(disk, hint)).collect();
    match matching.as_slice() {
        [] => Err(Error::None { hint: words(hint), present: list(&disks.iter().collect::<Vec<_>>()) }),
        [disk] if disk.size < needed => Err(Error::TooSmall { disk: describe(disk), needed }),
        [disk] => Ok(disk),
        several => Err(Error::Several { hint: words(hint), matching: list(several) }),
    }
}

fn matches(disk: &Disk, hint: &RootHint) -> bool {
    let same = |wanted: &Option<String>, found: Option<&String>| wanted.is_none() || wanted.as_ref() == found;
    disk.excluded.is_none()
        && same(&hint.kind, Some(&disk.kind))
        && same(&hint.serial, disk.serial.as_ref())
        && same(&hint.wwn, disk.wwn.as_ref())
        && same(&hint.by_path, disk.by_path.as_ref())
        && hint.min_size.is_none_or(|size| disk.size >= size)
}

fn words(hint: &RootHint) -> String {
    let quoted =
        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} = \"{value}\""));
    let parts: Vec<String> = [
        quoted("kind", &hint.kind),
        hint.min_size.map(|size| format!("min_size = \"{size}\"")),
        quoted("serial", &hint.serial),
        quoted("wwn", &hint.wwn),
        quoted("by_path", &hint.by_path),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "root (no hint given)".into()
    } else {
        format!("root = {{ {} }}", parts.join(", "))
    }
}

fn describe(disk: &Disk) -> String {
    let serial = disk.serial.as_ref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    let excluded = disk.excluded.as_ref().map(|why| format!(", never written: {why}")).unwrap_or_default();
    format!("{} ({} {}{serial}{excluded})", disk.name, disk.kind, disk.size)
}

fn list(disks: &[&Disk]) -> String {
    if disks.is_empty() {
        return "no disks".into();
    }
    disks.iter().map(|disk| describe(disk)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, kind: &str, gib: u64) -> Disk {
        Disk { name: name.into(), kind: kind.into(), size: Bytes(gib << 30), sector: 512, ..Disk::default() }
    }

    #[test]
    fn the_only_disk_needs_no_hint() {
        let disks = [disk("vda", "virtio", 4)];
        assert_eq!(choose(&disks, &RootHint::default(), Bytes(2 << 30)), Ok(&disks[0]));
    }

    #[test]
    fn two_disks_without_a_hint_are_ambiguous() {
        let disks = [disk("vda", "virtio", 4), disk("vdb", "virtio", 4)];
        assert!(matches!(choose(&disks, &RootHint::default(), Bytes(0)), Err(Error::Several { .. })));
    }

    #[test]
    fn a_disk_that_must_not_be_written_never_matches() {
        let mut usb = disk("sda", "ssd", 64);
        usb.excluded = Some("removable".into());
        let disks = [usb, disk("vda", "virtio", 4)];
        assert_eq!(choose(&disks, &RootHint::default(), Bytes(0)).map(|disk| disk.name.as_str()), Ok("vda"));
    }

    #[test]
    fn a_disk_smaller_than_the_image_is_refused_by_size() {
        let disks = [disk("vda", "virtio", 1)];
        let error = choose(&disks, &RootHint::default(), Bytes(2 << 30)).expect_err("too small");
        assert_eq!(error.to_string(), "disk vda (virtio 1GiB) is too small: the image needs 2GiB");
    }

    #[test]
    fn hints_choose_among_disks() {
        let disks = [disk("nvme0n1", "nvme", 400), disk("sda", "hdd", 4000)];
        let hint = RootHint { kind: Some("nvme".into()), ..RootHint::default() };
        assert_eq!(choose(&disks, &hint, Bytes(0)), Ok(&disks[0]));
    }
}
