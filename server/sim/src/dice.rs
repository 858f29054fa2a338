//! Chance that can be thrown again: a number that depends on a seed and on what it is for, and on nothing else.

use std::{ops::RangeInclusive, time::Duration};

/// The number for `seed` and the words that say what it is for (SplitMix64 over them).
pub(crate) fn throw(seed: u64, words: &[u64]) -> u64 {
    words.iter().fold(mix(seed), |state, word| mix(state ^ mix(*word)))
}

/// Does something happen that has a chance of `probability`?
pub(crate) fn happens(probability: f64, throw: u64) -> bool {
    // 53 bits are all that a float holds.
    ((throw >> 11) as f64) / ((1_u64 << 53) as f64) < probability
}

/// A time within `range`, to the microsecond.
pub(crate) fn within(range: &RangeInclusive<Duration>, throw: u64) -> Duration {
    let span = u64::try_from(range.end().saturating_sub(*range.start()).as_micros()).unwrap_or(u64::MAX);
    *range.start() + Duration::from_micros(if span == 0 { 0 } else { throw % span.saturating_add(1).max(1) })
}

fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_throw_the_same_number_and_others_another() {
        assert_eq!(throw(7, &[1, 2]), throw(7, &[1, 2]));
        assert_ne!(throw(7, &[1, 2]), throw(7, &[2, 1]));
        assert_ne!(throw(7, &[1, 2]), throw(8, &[1, 2]));
    }

    #[test]
    fn a_chance_happens_about_as_often_as_it_says() {
        let hits = (0..10_000).filter(|index| happens(0.1, throw(1, &[*index]))).count();
        assert!((850..1150).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|index| happens(0.0, throw(1, &[index]))));
    }

    #[test]
    fn a_time_stays_within_its_range() {
        let range = Duration::from_secs(3)..=Duration::from_secs(20);
        assert!((0..1000).all(|index| range.contains(&within(&range, throw(1, &[index])))));
        let none = Duration::ZERO..=Duration::ZERO;
        assert_eq!(within(&none, 17), Duration::ZERO);
    }
}
