//! When an idle host's driver is asked again: at random about an interval, and never so often that a large fleet at rest
//! costs more than a small one.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use underlay_metal::host::Audits;

use super::projection::Projection;

/// Hosts asked in this time together: one.
const APART: Duration = Duration::from_secs(1);

/// Draws the time to the next audit of a host.
pub struct Rarely {
    /// The interval of a small fleet.
    pub interval: Duration,
    /// Knows how large the fleet is.
    pub projection: Arc<Projection>,
}

impl Audits for Rarely {
    fn next(&self) -> Duration {
        // A fresh RandomState hashes anything to a number nobody can foresee; good enough to spread load.
        let random = RandomState::new().hash_one(0) >> 11;
        draw(self.interval, self.projection.hosts(), random as f64 / (1_u64 << 53) as f64)
    }
}

/// `random` is from 0 to 1; the mean of the draws is the interval.
fn draw(interval: Duration, hosts: usize, random: f64) -> Duration {
    let together = APART.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX));
    interval.max(together).mul_f64(2.0 * random.clamp(0.0, 1.0)).max(APART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_fleet_is_asked_no_more_often_than_a_small_one() {
        let interval = Duration::from_secs(900);
        for (hosts, mean) in [(0, 900), (10, 900), (900, 900), (10_000, 10_000)] {
            assert_eq!(draw(interval, hosts, 0.5).as_secs(), mean, "{hosts} hosts");
            assert_eq!(draw(interval, hosts, 1.0).as_secs(), 2 * mean);
        }
        assert_eq!(draw(interval, 10, 0.0), APART, "but not at once");
    }
}
