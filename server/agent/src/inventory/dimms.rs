//! Memory modules, as firmware lists them: SMBIOS structures of type 17 (DSP0134 7.18), out of the raw table that the kernel
//! shows. Firmware is no better than other people's input: everything is bounded, and what does not fit is left out.

use std::{fs::File, io::Read, path::Path};

use underlay_core::{Bytes, agent::Dimm};

use super::sysfs;

/// No table is longer.
const TABLE: u64 = 256 << 10;
/// The most structures that are looked at.
const STRUCTURES: usize = 4096;
/// The most modules.
const MOST: usize = 256;
/// The longest text that is kept, in characters.
const TEXT: usize = 64;

/// The modules, in the table's order.
pub fn read(sys: &Path) -> Vec<Dimm> {
    let mut table = Vec::new();
    let Ok(file) = File::open(sys.join("firmware/dmi/tables/DMI")) else { return Vec::new() };
    if file.take(TABLE).read_to_end(&mut table).is_err() {
        return Vec::new();
    }
    parse(&table)
}

/// Reads a table.
pub fn parse(table: &[u8]) -> Vec<Dimm> {
    let mut found = Vec::new();
    let mut rest = table;
    for _ in 0..STRUCTURES {
        let Some((structure, after)) = split(rest) else { break };
        rest = after;
        match structure.kind {
            17 if found.len() < MOST => found.extend(dimm(&structure)),
            // End of table.
            127 => break,
            _ => {}
        }
    }
    found
}

struct Structure<'a> {
    kind: u8,
    /// With its header, so that offsets are those of the standard.
    formatted: &'a [u8],
    strings: &'a [u8],
}

/// The first structure of a table, and what comes after it.
fn split(table: &[u8]) -> Option<(Structure<'_>, &[u8])> {
    let (kind, length) = (*table.first()?, usize::from(*table.get(1)?));
    // A header has four bytes (6.1.2).
    let (formatted, strings) = table.split_at_checked(length).filter(|_| length >= 4)?;
    // Strings end with two zeros, also where there is none (6.1.3).
    let end = strings.windows(2).position(|two| two == [0, 0])?;
    let (strings, after) = strings.split_at_checked(end + 2)?;
    Some((Structure { kind, formatted, strings }, after))
}

impl Structure<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte(at)?, self.byte(at + 1)?]))
    }

    fn double_word(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.word(at)?) | u32::from(self.word(at + 2)?) << 16)
    }

    /// The string whose number stands at `at`; firmware writes placeholders where it knows none.
    fn string(&self, at: usize) -> Option<String> {
        let number = usize::from(self.byte(at)?).checked_sub(1)?;
        let text = sysfs::clean(self.strings.split(|byte| *byte == 0).nth(number)?)?;
        let text: String = text.chars().take(TEXT).collect();
        let unknown = ["not specified", "unknown", "none", "no dimm", "n/a", "to be filled by o.e.m."];
        (!unknown.contains(&text.to_lowercase().as_str())).then_some(text)
    }
}

/// A module; nothing, where the slot is empty.
fn dimm(structure: &Structure<'_>) -> Option<Dimm> {
    let size = match structure.word(0x0c)? {
        0 | 0xffff => return None,
        // The size is in the extended field, in MiB.
        0x7fff => u64::from(structure.double_word(0x1c)? & 0x7fff_ffff) << 20,
        kib if kib & 0x8000 != 0 => u64::from(kib & 0x7fff) << 10,
        mib => u64::from(mib) << 20,
    };
    let speed = |at| structure.word(at).filter(|speed| !matches!(speed, 0 | 0xffff)).map(u32::from);
    Some(Dimm {
        slot: structure.string(0x10).unwrap_or_default(),
        size: Bytes(size),
        kind: structure.byte(0x12).and_then(kind).map(str::to_owned),
        // How fast it is set to run, else how fast it could.
        speed: speed(0x20).or_else(|| speed(0x15)),
        vendor: structure.string(0x17),
        part: structure.string(0x1a),
        serial: structure.string(0x18),
    })
}

/// Table 78 of DSP0134.
fn kind(number: u8) -> Option<&'static str> {
    Some(match number {
        0x07 => "RAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x18 => "DDR3",
        0x1a => "DDR4",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A module of 32 GiB, an empty slot, and the end.
    fn table() -> Vec<u8> {
        let mut module = vec![0; 0x28];
        module[..4].copy_from_slice(&[17, 0x28, 1, 0]);
        module[0x0c..0x0e].copy_from_slice(&0x7fff_u16.to_le_bytes());
        (module[0x10], module[0x12]) = (1, 0x1a);
        module[0x15..0x17].copy_from_slice(&3200_u16.to_le_bytes());
        (module[0x17], module[0x18], module[0x1a]) = (2, 3, 4);
        module[0x1c..0x20].copy_from_slice(&32768_u32.to_le_bytes());
        module[0x20..0x22].copy_from_slice(&2933_u16.to_le_bytes());
        let mut empty = vec![0; 0x28];
        (empty[0], empty[1], empty[0x10]) = (17, 0x28, 1);
        let texts = b"DIMM_A1\0Samsung \x01\0Unknown\0M393A4K40CB2\0\0".as_slice();
        let other = [1, 4, 0, 0, 0, 0].as_slice();
        [other, &module, texts, &empty, b"DIMM_A2\0\0", &[127, 4, 2, 0, 0, 0], &module, texts].concat()
    }

    #[test]
    fn modules_are_read_and_empty_slots_are_not() {
        let expected = Dimm {
            slot: "DIMM_A1".into(),
            size: Bytes(32 << 30),
            kind: Some("DDR4".into()),
            speed: Some(2933),
            vendor: Some("Samsung".into()),
            part: Some("M393A4K40CB2".into()),
            serial: None,
        };
        assert_eq!(parse(&table()), [expected]);
    }

    #[test]
    fn a_table_that_is_cut_or_lies_about_its_lengths_ends_there() {
        assert_eq!(parse(&[]), []);
        assert_eq!(parse(&[17, 2, 0, 0, 0, 0]), []);
        assert_eq!(parse(&[17, 255, 0, 0]), []);
        assert_eq!(parse(&table()[..20]), []);
    }

    proptest! {
        #[test]
        fn whatever_firmware_writes_is_bounded_and_printable(
            noise in proptest::collection::vec(any::<u8>(), 0..2000),
            changes in proptest::collection::vec((0..200_usize, any::<u8>()), 0..12),
            cut in 0..200_usize,
        ) {
            let mut mangled = table();
            for (at, byte) in changes {
                let at = at % mangled.len();
                mangled[at] = byte;
            }
            mangled.truncate(cut);
            for table in [noise, mangled] {
                let found = parse(&table);
                prop_assert!(found.len() <= MOST);
                for dimm in found {
                    for text in [Some(dimm.slot), dimm.vendor, dimm.part, dimm.serial].into_iter().flatten() {
                        prop_assert!(text.chars().count() <= TEXT && !text.chars().any(char::is_control));
                    }
                }
            }
        }
    }
}
