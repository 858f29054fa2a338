//! SMART of ATA disks (ACS-3 7.48), sent through the SCSI layer as ATA PASS-THROUGH(16) (SAT-3 12.2.3): what the disk says in
//! all (RETURN STATUS), and a few attributes that mean the same to every maker (READ DATA).

use super::Told;

/// How much READ DATA brings.
pub(super) const LENGTH: usize = 512;

const SMART: u8 = 0xb0;
const READ_DATA: u8 = 0xd0;
const RETURN_STATUS: u8 = 0xda;
/// Every SMART command carries these in LBA mid and high.
const KEY: (u8, u8) = (0x4f, 0xc2);
/// RETURN STATUS changes them to these where a threshold is exceeded.
const EXCEEDED: (u8, u8) = (0xf4, 0x2c);

/// The command for the disk's own verdict: no data; its registers come back as sense data.
pub(super) fn return_status() -> [u8; 16] {
    // Protocol 3, non-data; CK_COND.
    command(3, 0x20, RETURN_STATUS, 0)
}

/// The command for its attributes: one block of data.
pub(super) fn read_data() -> [u8; 16] {
    // Protocol 4, PIO data-in; from the disk, counted in blocks, by the count field.
    command(4, 0x0e, READ_DATA, 1)
}

fn command(protocol: u8, how: u8, feature: u8, count: u8) -> [u8; 16] {
    [0x85, protocol << 1, how, 0, feature, 0, count, 0, 0, 0, KEY.0, 0, KEY.1, 0, SMART, 0]
}

/// What the disk says in all, from sense data: does it expect to fail? Nothing where it does not say.
pub(super) fn expects_to_fail(sense: &[u8]) -> Option<Expects> {
    match registers(sense)? {
        KEY => Some(Expects::Nothing),
        EXCEEDED => Some(Expects::Failure),
        _ => None,
    }
}

/// What a disk expects of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    /// It goes on.
    Nothing,
    /// A threshold is exceeded.
    Failure,
}

/// LBA mid and high, from sense data with descriptors (SAT-3 12.2.2.7) or of fixed format (12.2.2.6).
fn registers(sense: &[u8]) -> Option<(u8, u8)> {
    match sense.first()? & 0x7f {
        0x72 => {
            let mut rest = sense.get(8..)?;
            loop {
                let [kind, length, ..] = *rest else { return None };
                let body = rest.get(..2 + usize::from(length))?;
                if (kind, length) == (0x09, 0x0c) {
                    return Some((*body.get(9)?, *body.get(11)?));
                }
                rest = rest.get(body.len()..)?;
            }
        }
        0x70 => Some((*sense.get(10)?, *sense.get(11)?)),
        _ => None,
    }
}

/// Attributes that are counts of the same thing with every maker.
const REALLOCATED: u8 = 5;
const HOURS: u8 = 9;
const UNCORRECTABLE: u8 = 198;

/// What the attributes say, with the disk's own verdict.
pub(super) fn parse(expects: Option<Expects>, data: Option<&[u8; LENGTH]>) -> Option<Told> {
    // The last byte makes the sum of all zero.
    let is_whole = |data: &&[u8; LENGTH]| {
        data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0 && data[2] != 0
    };
    let data = data.filter(is_whole);
    let raw = |id: u8, bytes: usize| -> Option<u64> {
        // 30 entries of 12 bytes after the revision: id, flags, value, worst, six bytes as the maker likes.
        let entry = data?.get(2..362)?.chunks_exact(12).find(|entry| entry[0] == id)?;
        let raw = entry.get(5..5 + bytes)?;
        Some(raw.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    };
    let told = Told {
        reallocated: raw(REALLOCATED, 2),
        media_errors: raw(UNCORRECTABLE, 4),
        // Some count milliseconds in the upper bytes.
        power_on_hours: raw(HOURS, 3),
        ..Told::default()
    };
    match expects? {
        Expects::Nothing => Some(told.judged(&[])),
        Expects::Failure => Some(told.judged(&["SMART says that it fails"])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use underlay_core::agent::Verdict;

    use super::*;

    /// Sense data with the ATA Status Return descriptor.
    fn sense(mid: u8, high: u8) -> Vec<u8> {
        let head = [0x72, 0x01, 0x00, 0x1d, 0, 0, 0, 0x0e];
        let descriptor = [0x09, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, mid, 0x00, high, 0x40, 0x50];
        [head.as_slice(), &descriptor].concat()
    }

    fn page(attributes: &[(u8, [u8; 6])]) -> [u8; LENGTH] {
        let mut page = [0; LENGTH];
        page[0] = 16;
        for (at, (id, raw)) in attributes.iter().enumerate() {
            let entry = &mut page[2 + at * 12..14 + at * 12];
            entry[..5].copy_from_slice(&[*id, 0x33, 0, 100, 100]);
            entry[5..11].copy_from_slice(raw);
        }
        let sum = page[..511].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        page[511] = sum.wrapping_neg();
        page
    }

    #[test]
    fn a_disk_is_well_until_it_says_that_it_is_not() {
        assert_eq!(expects_to_fail(&sense(0x4f, 0xc2)), Some(Expects::Nothing));
        assert_eq!(expects_to_fail(&sense(0xf4, 0x2c)), Some(Expects::Failure));
        assert_eq!(expects_to_fail(&sense(0, 0)), None);
        let fixed = [0x70, 0, 1, 0, 0x50, 0x40, 0, 10, 0, 0, 0xf4, 0x2c, 0, 0x1d];
        assert_eq!(expects_to_fail(&fixed), Some(Expects::Failure));
        let told = parse(Some(Expects::Failure), None).unwrap();
        assert_eq!(
            (told.verdict, told.reason.as_deref()),
            (Some(Verdict::Failing), Some("SMART says that it fails"))
        );
    }

    #[test]
    fn attributes_are_read_where_their_sum_is_right() {
        let attributes = [
            (1, [9; 6]),
            (5, [0x41, 0, 0, 0, 0, 0]),
            (9, [0x39, 0x30, 0, 7, 7, 7]),
            (198, [2, 0, 0, 0, 0, 0]),
        ];
        let mut page = page(&attributes);
        let told = parse(Some(Expects::Nothing), Some(&page)).unwrap();
        assert_eq!(told.verdict, Some(Verdict::Ok));
        assert_eq!(
            (told.reallocated, told.power_on_hours, told.media_errors),
            (Some(65), Some(12_000), Some(2))
        );
        page[100] ^= 1;
        let told = parse(Some(Expects::Nothing), Some(&page)).unwrap();
        assert_eq!((told.reallocated, told.power_on_hours), (None, None));
        assert_eq!(parse(None, Some(&page)), None, "attributes without a verdict say nothing in all");
    }

    #[test]
    fn the_commands_are_as_the_standard_lays_them_out() {
        assert_eq!(return_status(), [0x85, 6, 0x20, 0, 0xda, 0, 0, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0xb0, 0]);
        assert_eq!(read_data(), [0x85, 8, 0x0e, 0, 0xd0, 0, 1, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0xb0, 0]);
    }

    proptest! {
        #[test]
        fn whatever_firmware_writes_ends(
            noise in proptest::collection::vec(any::<u8>(), 0..80),
            first in proptest::sample::select(vec![0x70_u8, 0x72, 0xf2]),
            data in proptest::collection::vec(any::<u8>(), LENGTH),
        ) {
            let sense = [&[first], noise.as_slice()].concat();
            let _ = expects_to_fail(&sense);
            let mut data: [u8; LENGTH] = data.as_slice().try_into().unwrap();
            let sum = data[..511].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            data[511] = sum.wrapping_neg();
            let told = parse(Some(Expects::Nothing), Some(&data)).unwrap();
            prop_assert!(told.reallocated.is_none_or(|count| count <= 0xffff));
        }
    }
}
