//! How long to wait before a controller that came to no decision is asked again: doubling, capped, with jitter.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: Duration::from_secs(180) }
    }
}

impl Backoff {
    /// The wait after `attempts` failures in a row before this one. `jitter`, from 0 to 1, spreads the second half of it.
    pub fn delay(&self, attempts: i64, jitter: f64) -> Duration {
        let doublings = u32::try_from(attempts.clamp(0, 30)).unwrap_or(30);
        let longest = self.first.saturating_mul(1 << doublings).min(self.cap);
        longest / 2 + (longest / 2).mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// The same with jitter drawn at random.
    pub fn draw(&self, attempts: i64) -> Duration {
        // A fresh RandomState hashes anything to a number nobody can foresee; good enough to spread load.
        let random = RandomState::new().hash_one(attempts);
        self.delay(attempts, (random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(60) };
        let waits: Vec<_> = (0..9).map(|attempts| backoff.delay(attempts, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.delay(i64::MAX, 1.0), backoff.cap);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        let backoff = Backoff::default();
        for attempts in 0..12 {
            let (least, most) = (backoff.delay(attempts, 0.0), backoff.delay(attempts, 1.0));
            assert_eq!(least, most / 2);
            let drawn = backoff.draw(attempts);
            assert!(drawn >= least && drawn <= most, "{drawn:?} outside {least:?}..{most:?}");
        }
    }
}
