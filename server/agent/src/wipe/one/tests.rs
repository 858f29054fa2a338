//! One disk, wiped well and badly: what the record says is what is there.

use std::{io, sync::Mutex};

use underlay_core::Bytes;

use super::*;
use crate::{
    disk::{Disk, fake::Fake},
    wipe::drive::PassedOver,
};

const SIZE: usize = 40 << 20;

/// A disk with a firmware, which erases or only says so.
struct Scripted {
    disk: Fake,
    has: Vec<Method>,
    erases: bool,
    told: Mutex<Vec<Method>>,
}

impl Scripted {
    fn new(has: &[Method]) -> Self {
        Self { disk: Fake::new(SIZE), has: has.to_vec(), erases: true, told: Mutex::default() }
    }
}

impl Drive for Scripted {
    fn disk(&self) -> &dyn Disk {
        &self.disk
    }

    fn read_medium(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, into)
    }

    fn methods(&self) -> (Vec<Method>, Vec<PassedOver>) {
        (self.has.clone(), vec![(Method::NvmeSanitizeBlock, "its controller does not offer it".into())])
    }

    fn erase(&self, method: Method) -> Result<(), String> {
        self.told.lock().unwrap().push(method);
        if self.erases {
            self.disk.zero(0, SIZE as u64).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn discard(&self, _: u64, _: u64) {}
}

fn facts() -> Facts {
    Facts {
        name: "vda".into(),
        serial: Some("S1".into()),
        size: Bytes(SIZE as u64),
        sector: 512,
        ..Facts::default()
    }
}

fn wiped(drive: &Scripted, policy: Policy) -> Wipe {
    let done = AtomicU64::new(0);
    let wipe = wipe(drive, &facts(), policy, 7, &done);
    assert_eq!(done.load(Ordering::Relaxed), SIZE as u64, "the work is over");
    wipe
}

#[test]
fn the_firmware_is_asked_first_and_believed_only_after_a_look() {
    let drive = Scripted::new(&[Method::NvmeFormatErase]);
    let wipe = wiped(&drive, Policy::Best);
    assert_eq!((&wipe.ending, wipe.method), (&Ending::Wiped, Some(Method::NvmeFormatErase)));
    assert_eq!(wipe.passed_over, ["nvme_sanitize_block: its controller does not offer it"]);
    let proof = wipe.proof.unwrap();
    assert_eq!((proof.samples, proof.held_data, proof.zeros, proof.kept), (64, 64, 64, 0));
    assert_ne!(proof.before, proof.after);
    assert_eq!(wipe.bytes, SIZE as u64);
}

#[test]
fn a_firmware_that_only_says_so_is_passed_over_and_the_disk_overwritten() {
    let drive = Scripted { erases: false, ..Scripted::new(&[Method::AtaEraseEnhanced, Method::AtaErase]) };
    let wipe = wiped(&drive, Policy::Best);
    assert_eq!(*drive.told.lock().unwrap(), [Method::AtaEraseEnhanced, Method::AtaErase]);
    assert_eq!((&wipe.ending, wipe.method), (&Ending::Wiped, Some(Method::Overwrite)));
    assert!(wipe.passed_over[1].starts_with("ata_erase_enhanced: 64 of 64 blocks read as before"));
    assert!(drive.disk.bytes().iter().all(|byte| *byte == 0));
}

#[test]
fn a_disk_that_dies_in_the_middle_of_a_wipe_is_not_wiped() {
    let disk = Fake::new(SIZE).failing_at(21 << 20);
    let drive = Scripted { disk, ..Scripted::new(&[]) };
    let wipe = wiped(&drive, Policy::Overwrite);
    let Ending::Failed { why } = &wipe.ending else { panic!("{wipe:?}") };
    assert!(why.starts_with("writing at byte 20971520: "), "{why}");
    assert_eq!((wipe.bytes, wipe.proof), (20 << 20, None), "no more is claimed than was done");
    assert_eq!(wipe.method, Some(Method::Overwrite));
}

#[test]
fn a_quick_wipe_proves_both_ends_and_says_no_more() {
    let drive = Scripted::new(&[Method::NvmeFormatErase]);
    let wipe = wiped(&drive, Policy::Quick);
    assert_eq!((&wipe.ending, wipe.method, wipe.bytes), (&Ending::Wiped, Some(Method::Quick), 2 * ENDS));
    assert!(drive.told.lock().unwrap().is_empty());
    let bytes = drive.disk.bytes();
    let middle = SIZE / 2;
    assert!(bytes[..ENDS as usize].iter().chain(&bytes[SIZE - ENDS as usize..]).all(|byte| *byte == 0));
    assert_eq!(bytes[middle], 0xa5, "what a disk does not discard is there still");
}

#[test]
fn a_disk_that_takes_writes_and_keeps_none_is_found_out() {
    struct Liar(Fake);
    impl Disk for Liar {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, into)
        }
        fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn zero(&self, _: u64, _: u64) -> io::Result<u64> {
            Ok(0)
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }
    let plain = crate::wipe::drive::Plain(std::sync::Arc::new(Liar(Fake::new(SIZE))));
    let wipe = wipe(&plain, &facts(), Policy::Best, 7, &AtomicU64::new(0));
    let Ending::Failed { why } = wipe.ending else { panic!("it was believed") };
    assert!(why.contains("does not read back"), "{why}");
}
