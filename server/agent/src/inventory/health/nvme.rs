//! The SMART / Health Information log (NVMe base specification 1.4, 5.14.1.2), log page 02h.

use super::Told;

/// Its number.
pub(super) const PAGE: u8 = 0x02;
/// Its length.
pub(super) const LENGTH: usize = 512;

/// Bits of the critical warning that do not pass by themselves. Too hot (bit 1) does, and a persistent memory region (bit 5)
/// holds no system.
const WARNINGS: [(u8, &str); 4] = [
    (1 << 0, "its spare blocks run out"),
    (1 << 2, "it is no longer reliable"),
    (1 << 3, "it can be read only"),
    (1 << 4, "its backup power failed"),
];

/// Reads the log; nothing where no disk would write such a thing.
pub(super) fn parse(log: &[u8; LENGTH]) -> Option<Told> {
    let [warning, _, _, spare, threshold, used, ..] = *log;
    // The top bits are reserved, spare is a percentage, and a log of ones is none.
    if warning & 0xc0 != 0 || spare > 100 || threshold > 100 {
        return None;
    }
    let failing: Vec<&str> =
        WARNINGS.iter().filter(|(bit, _)| warning & bit != 0).map(|(_, words)| *words).collect();
    let told = Told {
        percent_used: Some(used),
        // A disk that counts no spare blocks says zero of both.
        spare_percent: Some(spare).filter(|_| spare != 0 || threshold != 0),
        media_errors: Some(wide(log, 160)),
        power_on_hours: Some(wide(log, 128)),
        ..Told::default()
    };
    Some(told.judged(&failing))
}

/// A count of 128 bits, little-endian, as large as fits.
fn wide(log: &[u8; LENGTH], at: usize) -> u64 {
    let number = log.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).map(u128::from_le_bytes);
    u64::try_from(number.unwrap_or_default()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use underlay_core::agent::Verdict;

    use super::*;

    /// A disk that has lived for five years: as the specification lays the log out.
    fn sample() -> [u8; LENGTH] {
        let mut log = [0; LENGTH];
        // Composite temperature 311 K, spare 100 % with a threshold of 10 %, 3 % used.
        log[..6].copy_from_slice(&[0, 0x37, 0x01, 100, 10, 3]);
        log[128..136].copy_from_slice(&43_721_u64.to_le_bytes());
        log[160] = 0;
        log
    }

    #[test]
    fn a_disk_that_is_well_says_so_with_coarse_figures() {
        let told = parse(&sample()).unwrap();
        let expected = Told {
            verdict: Some(Verdict::Ok),
            percent_used: Some(3),
            spare_percent: Some(100),
            media_errors: Some(0),
            power_on_hours: Some(43_000),
            ..Told::default()
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn critical_warnings_are_failures_but_for_heat() {
        let with = |warning: u8| {
            let mut log = sample();
            log[0] = warning;
            parse(&log).unwrap()
        };
        let read_only = with(0b0000_1101);
        assert_eq!(read_only.verdict, Some(Verdict::Failing));
        let words = "its spare blocks run out, it is no longer reliable, it can be read only";
        assert_eq!(read_only.reason.as_deref(), Some(words));
        assert_eq!(with(0b0010_0010).verdict, Some(Verdict::Ok));
    }

    #[test]
    fn a_disk_past_its_life_is_worn_and_not_failing() {
        let mut log = sample();
        log[5] = 104;
        let told = parse(&log).unwrap();
        assert_eq!((told.verdict, told.percent_used), (Some(Verdict::Worn), Some(104)));
        log[160..176].fill(0xff);
        assert_eq!(parse(&log).unwrap().media_errors, Some(18_000_000_000_000_000_000));
    }

    #[test]
    fn a_log_of_ones_says_nothing_and_one_of_zeros_says_no_more_than_that_it_is_well() {
        assert_eq!(parse(&[0xff; LENGTH]), None);
        let told = parse(&[0; LENGTH]).unwrap();
        assert_eq!((told.verdict, told.spare_percent), (Some(Verdict::Ok), None));
    }

    proptest! {
        #[test]
        fn whatever_firmware_writes_is_bounded(noise in proptest::collection::vec(any::<u8>(), LENGTH)) {
            let told = parse(noise.as_slice().try_into().unwrap());
            if let Some(told) = told {
                prop_assert!(told.spare_percent.is_none_or(|spare| spare <= 100));
                prop_assert!(told.reason.is_none_or(|words| words.len() < 200));
            }
        }
    }
}
