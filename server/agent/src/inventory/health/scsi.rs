//! SCSI disks: the log pages Informational Exceptions (SPC-4 7.3.12), in which a disk says that it expects to fail, and Solid
//! State Media (SBC-3 6.4.6), in which it says how worn it is.

use super::Told;

/// How much of a page is read.
pub(super) const LENGTH: usize = 256;
const EXCEPTIONS: u8 = 0x2f;
const SOLID_STATE: u8 = 0x11;
/// FAILURE PREDICTION THRESHOLD EXCEEDED.
const PREDICTED: u8 = 0x5d;
/// The same as a drill.
const DRILL: u8 = 0xff;

/// LOG SENSE for a page's current counts (SPC-4 6.9).
fn log_sense(page: u8) -> [u8; 16] {
    let mut command = [0; 16];
    let [high, low] = (LENGTH as u16).to_be_bytes();
    command[..10].copy_from_slice(&[0x4d, 0, 0x40 | page, 0, 0, 0, 0, high, low, 0]);
    command
}

/// The command for the disk's own verdict.
pub(super) fn exceptions() -> [u8; 16] {
    log_sense(EXCEPTIONS)
}

/// The command for its wear.
pub(super) fn solid_state() -> [u8; 16] {
    log_sense(SOLID_STATE)
}

/// What both pages say; nothing where the first is not what was asked for.
pub(super) fn parse(exceptions: &[u8], solid_state: Option<&[u8]>) -> Option<Told> {
    let verdict = parameter(exceptions, EXCEPTIONS, 0)?;
    let [code, qualifier, ..] = *verdict else { return None };
    // Parameter 1 ends with the percentage used.
    let percent_used = solid_state.and_then(|page| parameter(page, SOLID_STATE, 1)?.get(3).copied());
    let told = Told { percent_used, ..Told::default() };
    let is_failing = code == PREDICTED && qualifier != DRILL;
    Some(told.judged(if is_failing { &["it predicts its failure"] } else { &[] }))
}

/// The value of a page's parameter (SPC-4 7.3.2).
fn parameter(page: &[u8], number: u8, wanted: u16) -> Option<&[u8]> {
    if page.first()? & 0x3f != number {
        return None;
    }
    let length = u16::from_be_bytes([*page.get(2)?, *page.get(3)?]);
    let page = page.get(4..)?;
    let mut rest = page.get(..usize::from(length)).unwrap_or(page);
    loop {
        let [high, low, _, length, ..] = *rest else { return None };
        let value = rest.get(4..4 + usize::from(length))?;
        if u16::from_be_bytes([high, low]) == wanted {
            return Some(value);
        }
        rest = rest.get(4 + value.len()..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use underlay_core::agent::Verdict;

    use super::*;

    fn page(code: u8, qualifier: u8) -> Vec<u8> {
        vec![0x2f, 0, 0, 8, 0, 0, 0x03, 4, code, qualifier, 38, 0]
    }

    #[test]
    fn a_predicted_failure_is_one_and_a_drill_or_a_warning_is_not() {
        let verdict = |code, qualifier| parse(&page(code, qualifier), None).unwrap().verdict;
        assert_eq!(verdict(0, 0), Some(Verdict::Ok));
        assert_eq!(verdict(0x5d, 0x10), Some(Verdict::Failing));
        assert_eq!(verdict(0x5d, 0xff), Some(Verdict::Ok));
        assert_eq!(verdict(0x0b, 0x01), Some(Verdict::Ok), "it is warm");
        assert_eq!(parse(&[0; 64], None), None, "another page than the one that was asked for");
    }

    #[test]
    fn wear_is_read_from_a_page_of_its_own() {
        let solid_state = [0x11, 0, 0, 8, 0, 1, 0x03, 4, 0, 0, 0, 101];
        let told = parse(&page(0, 0), Some(&solid_state)).unwrap();
        assert_eq!((told.verdict, told.percent_used), (Some(Verdict::Worn), Some(101)));
    }

    #[test]
    fn the_command_is_as_the_standard_lays_it_out() {
        assert_eq!(exceptions()[..10], [0x4d, 0, 0x6f, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(solid_state()[2], 0x51);
    }

    proptest! {
        #[test]
        fn whatever_firmware_writes_ends(noise in proptest::collection::vec(any::<u8>(), 0..LENGTH), first in 0..2_u8) {
            let head = [[0x2f_u8, 0, 0, 200], [0x11, 0, 0, 200]][usize::from(first)];
            let page = [&head, noise.as_slice()].concat();
            let _ = parse(&page, Some(&page));
            let _ = parse(&noise, Some(&noise));
        }
    }
}
