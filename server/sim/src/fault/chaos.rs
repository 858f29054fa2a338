//! Faults at random: whether a boot of a machine goes wrong, and how, depends on the rack's seed, the machine and the
//! number of the boot, and on nothing else. So a run is made again by its seed.

use std::time::Duration;

use underlay_core::Bytes;

use super::{Fault, Misbehaviour};
use crate::dice;

/// How often boots go wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chaos {
    /// The chance of one boot.
    pub probability: f64,
    /// The rack's seed.
    pub seed: u64,
}

impl Chaos {
    /// The fault of a machine from its boot number `boots` on, until the next.
    pub fn fault(&self, machine: u32, boots: u32) -> Option<Fault> {
        let throw = |purpose: u64| dice::throw(self.seed, &[u64::from(machine), u64::from(boots), purpose]);
        dice::happens(self.probability, throw(1)).then(|| pick(throw(2), throw(3)))
    }
}

fn pick(kind: u64, value: u64) -> Fault {
    match kind % 12 {
        0 => Fault::DiskFailure(Bytes(value % (8 << 20))),
        1 => Fault::DeadNic,
        2 => Fault::SlowLink(Bytes(64 << 10)),
        3 => Fault::LostPackets(u8::try_from(value % 30).unwrap_or(0) + 1),
        4 => Fault::BmcFlaky(u32::try_from(value % 4).unwrap_or(0) + 2, Misbehaviour::InTurn),
        5 => Fault::BmcSlow(Duration::from_secs(value % 5 + 1)),
        6 => Fault::PowerStuck,
        7 => Fault::LostOnce,
        8 => Fault::WrongSerial,
        9 => Fault::AgentDies(Bytes(value % (8 << 20) + 1)),
        10 => Fault::DoubleBoot,
        _ => Fault::NoPhoneHome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_brings_the_same_faults_again_and_another_seed_others() {
        let run = |seed| {
            let chaos = Chaos { probability: 0.2, seed };
            (0..200).map(|machine| chaos.fault(machine, 1)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let faults = run(1).into_iter().flatten().count();
        assert!((20..60).contains(&faults), "{faults}");
    }
}
