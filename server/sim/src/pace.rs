//! How long everything takes: a range for each thing a machine does, drawn anew each time from the rack's seed.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

/// The latencies of a rack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From power-on to the first boot source.
    pub post: RangeInclusive<Duration>,
    /// From the kernel's start to the agent's first request.
    pub agent: RangeInclusive<Duration>,
    /// From the boot loader on the disk to the system's call home.
    pub system: RangeInclusive<Duration>,
    /// From a request to the BMC's answer.
    pub bmc: RangeInclusive<Duration>,
    /// Do BMCs take their vendor's time to show what they did?
    pub settling: Settling,
}

/// Do BMCs take their vendor's time to show what they did?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// A power state is stale and a job queue busy for as long as the vendor's are.
    AsTheVendor,
    /// All shows at once.
    AtOnce,
}

/// The text names no pace.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no pace \"{0}\"; there are instant, vendor, lab and metal")]
pub struct Unknown(String);

impl Pace {
    /// Nothing takes any time of its own.
    pub fn instant() -> Self {
        let none = || Duration::ZERO..=Duration::ZERO;
        Self { post: none(), agent: none(), system: none(), bmc: none(), settling: Settling::AtOnce }
    }

    /// The same, but for the time that vendors' BMCs take to show what they did.
    pub fn vendor() -> Self {
        Self { settling: Settling::AsTheVendor, ..Self::instant() }
    }

    /// Seconds: for eyes that want to follow.
    pub fn lab() -> Self {
        Self {
            post: millis(3000, 6000),
            agent: millis(1000, 2000),
            system: millis(2000, 4000),
            bmc: millis(20, 80),
            settling: Settling::AsTheVendor,
        }
    }

    /// As servers are: ten minutes of POST, minutes to boot, a BMC that thinks for 3 to 20 s.
    pub fn metal() -> Self {
        Self {
            post: millis(540_000, 660_000),
            agent: millis(60_000, 120_000),
            system: millis(90_000, 240_000),
            bmc: millis(3000, 20_000),
            settling: Settling::AsTheVendor,
        }
    }

    /// How long something of the vendor's own takes.
    pub(crate) fn settle(&self, vendor: Duration) -> Duration {
        match self.settling {
            Settling::AsTheVendor => vendor,
            Settling::AtOnce => Duration::ZERO,
        }
    }
}

impl FromStr for Pace {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "instant" => Ok(Self::instant()),
            "vendor" => Ok(Self::vendor()),
            "lab" => Ok(Self::lab()),
            "metal" => Ok(Self::metal()),
            other => Err(Unknown(other.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("instant", Self::instant()),
            ("vendor", Self::vendor()),
            ("lab", Self::lab()),
            ("metal", Self::metal()),
        ];
        let name = named.iter().find(|(_, pace)| pace == self).map_or("of its own", |(name, _)| *name);
        f.write_str(name)
    }
}

fn millis(least: u64, most: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(least)..=Duration::from_millis(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_known_by_its_name() {
        assert_eq!("metal".parse(), Ok(Pace::metal()));
        for name in ["instant", "vendor", "lab", "metal"] {
            assert_eq!(name.parse::<Pace>().map(|pace| pace.to_string()), Ok(name.into()));
        }
        assert_eq!("fast".parse::<Pace>(), Err(Unknown("fast".into())));
    }
}
