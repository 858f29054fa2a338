//! How long to wait before knocking again: doubling from half a second to fifteen or more, with jitter so that a rack that lost
//! its server does not knock in step.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// The next wait grows with every call until [`Pace::reset`].
#[derive(Debug)]
pub struct Pace {
    failures: u32,
    longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

impl Pace {
    /// With waits that grow to `longest`.
    pub fn up_to(longest: Duration) -> Self {
        Self { failures: 0, longest }
    }

    /// The next wait: between half and all of the current step.
    pub fn step(&mut self) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let mut byte = [0];
        // Without randomness there is merely no jitter.
        let _ = SystemRandom::new().fill(&mut byte);
        let [byte] = byte;
        most / 2 + most * u32::from(byte) / 512
    }

    /// It worked: the next wait is a short one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.step()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_small_again() {
        let mut pace = Pace::default();
        let waits: Vec<Duration> = (0..20).map(|_| pace.step()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[0] <= FIRST && waits[19] >= LONGEST / 2);
        pace.reset();
        assert!(pace.step() <= FIRST);
    }
}
