//! Packages and modules that somebody spoilt: an error or no facts, never a panic, and never more than was asked for.

use std::fs;

use proptest::prelude::*;

use super::{module, package};
use crate::ramdisk::{deb, modinfo};

/// Bytes to put somewhere into a good file, and where to cut it off, in 65536ths of its length.
fn damage() -> impl Strategy<Value = (Vec<(u16, u8)>, u16)> {
    let edits = prop::collection::vec((any::<u16>(), any::<u8>()), 0..12);
    (edits, prop_oneof![3 => Just(u16::MAX), 1 => any::<u16>()])
}

fn spoil(bytes: &mut Vec<u8>, (edits, end): &(Vec<(u16, u8)>, u16)) {
    let at = |share: u16, length: usize| length * usize::from(share) / 65536;
    let length = bytes.len();
    for (share, byte) in edits {
        bytes[at(*share, length)] = *byte;
    }
    if *end != u16::MAX {
        bytes.truncate(at(*end, length));
    }
}

proptest! {
    #[test]
    fn a_spoilt_package_is_read_or_refused(
        name in prop::sample::select(vec!["data.tar", "data.tar.xz", "data.tar.zst", "data.tar.gz"]),
        damage in damage(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("package.deb");
        package(&path, name, &[("boot/vmlinuz-1", vec![7; 3000]), ("boot/config-1", b"CONFIG_A=y\n".to_vec())]);
        let mut bytes = fs::read(&path).unwrap();
        spoil(&mut bytes, &damage);
        fs::write(&path, &bytes).unwrap();
        let mut held = 0;
        // Whether it is refused depends on where the damage is.
        let _ = deb::files(&path, |path| path.starts_with("boot/"), |_, file| held += file.len());
        prop_assert!(held < 1 << 20, "{held} bytes out of a package of {}", bytes.len());
    }

    #[test]
    fn a_spoilt_module_has_facts_or_none(damage in damage()) {
        let mut bytes = module(&["name=virtio_net", "depends=net_failover,virtio", "alias=virtio:d1v*"]);
        spoil(&mut bytes, &damage);
        if let Some(facts) = modinfo::read(&bytes) {
            prop_assert!(!facts.name.is_empty());
        }
    }

    #[test]
    fn noise_is_no_package_and_no_module(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("package.deb");
        fs::write(&path, &bytes).unwrap();
        prop_assert!(deb::files(&path, |_| true, |_, _| ()).is_err());
        prop_assert_eq!(modinfo::read(&bytes), None);
    }
}
