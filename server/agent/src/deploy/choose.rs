//! Which disk: every hint given must match, and exactly one disk that may be written must be left.
//!
//! An excluded disk (removable, read-only, iSCSI, fibre channel, multipath) is never chosen, whatever the hints say.

use underlay_core::{Bytes, agent::Disk, image::manifest::SECTOR_SIZE, machine::RootHint};

/// No disk can be chosen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// None fits.
    #[error("no disk fits the hints; found: {found}")]
    None {
        /// Every disk and what speaks against it.
        found: String,
    },
    /// More than one fits.
    #[error("{} disks fit the hints: {}", .names.len(), .names.join(", "))]
    Ambiguous {
        /// Each, with what tells it apart.
        names: Vec<String>,
    },
    /// The one that fits is too small.
    #[error("{disk} has {size}, the image and its seed need {needed}")]
    TooSmall {
        /// Kernel name.
        disk: String,
        /// Its size.
        size: Bytes,
        /// What is needed.
        needed: Bytes,
    },
    /// The one that fits counts in other sectors than the image.
    #[error("{disk} has sectors of {sector} bytes, the image is made for {SECTOR_SIZE}")]
    SectorSize {
        /// Kernel name.
        disk: String,
        /// Its logical sector size.
        sector: u32,
    },
}

/// The one disk that fits `hint` and has room for `needed` bytes.
pub fn choose<'a>(disks: &'a [Disk], hint: &RootHint, needed: u64) -> Result<&'a Disk, Error> {
    let fitting: Vec<&Disk> = disks.iter().filter(|disk| objection(disk, hint).is_none()).collect();
    let disk = match fitting.as_slice() {
        [disk] => *disk,
        [] => {
            let found = disks
                .iter()
                .map(|disk| format!("{} ({})", describe(disk), objection(disk, hint).unwrap_or("fits")));
            let found: Vec<String> = found.collect();
            return Err(Error::None {
                found: if found.is_empty() { "no disk at all".into() } else { found.join(", ") },
            });
        }
        many => return Err(Error::Ambiguous { names: many.iter().map(|disk| describe(disk)).collect() }),
    };
    if u64::from(disk.sector) != SECTOR_SIZE {
        return Err(Error::SectorSize { disk: disk.name.clone(), sector: disk.sector });
    }
    if disk.size.0 < needed {
        return Err(Error::TooSmall { disk: disk.name.clone(), size: disk.size, needed: Bytes(needed) });
    }
    Ok(disk)
}

/// Why not this one; `None` if it fits.
fn objection<'a>(disk: &'a Disk, hint: &RootHint) -> Option<&'a str> {
    let differs = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_ref().is_some_and(|wanted| !found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
    };
    if let Some(reason) = &disk.excluded {
        Some(reason)
    } else if differs(&hint.kind, Some(&disk.kind)) {
        Some("another kind")
    } else if hint.min_size.is_some_and(|least| disk.size < least) {
        Some("too small")
    } else if differs(&hint.serial, disk.serial.as_deref()) {
        Some("another serial")
    } else if differs(&hint.wwn, disk.wwn.as_deref()) {
        Some("another wwn")
    } else if hint.by_path.as_ref().is_some_and(|wanted| !is_at(disk, wanted)) {
        Some("another path")
    } else {
        None
    }
}

/// udev also knows the first drive of an ATA port without its number (`-ata-1` for `-ata-1.0`).
fn is_at(disk: &Disk, wanted: &str) -> bool {
    let wanted = wanted.strip_prefix("/dev/disk/by-path/").unwrap_or(wanted);
    disk.by_path.as_ref().is_some_and(|path| path == wanted || path.strip_suffix(".0") == Some(wanted))
}

fn describe(disk: &Disk) -> String {
    let mark = disk.serial.as_ref().map(|serial| format!(" serial {serial}"));
    let mark = mark.or_else(|| disk.by_path.as_ref().map(|path| format!(" at {path}"))).unwrap_or_default();
    format!("{} {} {}{mark}", disk.name, disk.kind, disk.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, kind: &str, gib: u64) -> Disk {
        Disk {
            name: name.into(),
            kind: kind.into(),
            size: Bytes(gib << 30),
            sector: 512,
            serial: Some(format!("S-{name}")),
            by_path: Some(format!("pci-0000:00:1f.2-ata-{name}.0")),
            ..Disk::default()
        }
    }

    #[test]
    fn one_disk_needs_no_hint_and_two_need_one_that_tells_them_apart() {
        let disks = [disk("sda", "hdd", 4), disk("nvme0n1", "nvme", 4)];
        assert_eq!(choose(&disks[..1], &RootHint::default(), 1).unwrap().name, "sda");
        assert!(
            matches!(choose(&disks, &RootHint::default(), 1), Err(Error::Ambiguous { names }) if names.len() == 2)
        );
        for hint in [
            RootHint { kind: Some("nvme".into()), ..RootHint::default() },
            RootHint { serial: Some("s-nvme0n1".into()), ..RootHint::default() },
            RootHint {
                by_path: Some("/dev/disk/by-path/pci-0000:00:1f.2-ata-nvme0n1".into()),
                ..RootHint::default()
            },
        ] {
            assert_eq!(choose(&disks, &hint, 1).unwrap().name, "nvme0n1", "{hint:?}");
        }
    }

    #[test]
    fn an_excluded_disk_is_never_chosen_even_by_its_serial() {
        let usb = Disk { excluded: Some("removable".into()), ..disk("sdb", "ssd", 4) };
        let hint = RootHint { serial: Some("S-sdb".into()), ..RootHint::default() };
        let Err(Error::None { found }) = choose(&[usb], &hint, 1) else { panic!("chosen") };
        assert!(found.contains("removable"), "{found}");
    }

    #[test]
    fn a_disk_must_hold_the_image_in_sectors_of_its_size() {
        let small = disk("sda", "hdd", 4);
        assert!(choose(std::slice::from_ref(&small), &RootHint::default(), 4 << 30).is_ok());
        let error = choose(std::slice::from_ref(&small), &RootHint::default(), (4 << 30) + 1).unwrap_err();
        assert!(matches!(error, Error::TooSmall { .. }), "{error}");
        let wide = Disk { sector: 4096, ..small };
        assert!(matches!(choose(&[wide], &RootHint::default(), 1), Err(Error::SectorSize { .. })));
    }
}
