//! Which machines have which faults: rules that a person made, for a while or for good, and chaos from the seed.
//!
//! What struck is kept in a journal, so that a run can be held against the one it repeats.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;
use underlay_core::Bytes;

use super::{
    AccountFault, Fault, Misbehaviour,
    chaos::Chaos,
    journal::{Journal, Struck},
    order::Order,
};
use crate::{
    dice,
    machine::{Machine, Power},
};

/// More rules than this are refused: each is asked at every step of every machine.
const MOST: usize = 1000;

/// All rules of a rack.
#[derive(Debug, Default)]
pub struct Faults {
    rules: RwLock<Vec<Rule>>,
    /// How many there are; most racks have none, and ask often.
    count: AtomicUsize,
    next: AtomicU64,
    seed: u64,
    chaos: Option<Chaos>,
    journal: Journal,
}

/// One rule.
#[derive(Debug)]
struct Rule {
    id: u64,
    order: Order,
    /// How often it still strikes; `u32::MAX` without an end.
    left: AtomicU32,
    until: Option<Instant>,
    hits: AtomicU64,
}

/// A rule as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// By which it is cleared.
    pub id: u64,
    /// Which machines.
    pub machines: String,
    /// What.
    pub fault: String,
    /// How often it has struck.
    pub hits: u64,
}

/// Too many rules.
#[derive(Debug, thiserror::Error)]
#[error("there are {MOST} rules already; clear some: underlay sim clear")]
pub struct Full;

/// What a machine's packets go through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Link {
    /// Is there none?
    pub dead: bool,
    /// Bytes per second, where that is bounded.
    pub rate: Option<u64>,
    /// The chance of a packet to get lost.
    pub loss: f64,
}

impl Faults {
    /// No rules, and chaos if there is to be some. What is left to chance comes from `seed`.
    pub fn new(seed: u64, chaos: Option<Chaos>) -> Self {
        Self { seed, chaos, ..Self::default() }
    }

    /// Have what `order` says go wrong from now on. A rule whose time is over stays until there is no room, as what the
    /// run was made with.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&self, order: Order) -> Result<u64, Full> {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if rules.len() >= MOST {
            rules.retain(|rule| rule.until.is_none_or(|until| until > now));
        }
        if rules.len() >= MOST {
            return Err(Full);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        rules.push(Rule {
            id,
            left: AtomicU32::new(order.times.unwrap_or(u32::MAX)),
            until: order.seconds.and_then(|time| now.checked_add(Duration::from_secs(time))),
            order,
            hits: AtomicU64::new(0),
        });
        self.count.store(rules.len(), Ordering::Release);
        Ok(id)
    }

    /// Everything that was ordered and not cleared, as it was said.
    pub fn orders(&self) -> Vec<Order> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.iter().map(|rule| rule.order.clone()).collect()
    }

    /// What struck, in order.
    pub fn struck(&self) -> Vec<Struck> {
        self.journal.list()
    }

    /// Remove the rules whose machines are written as `machines`, or all; how many there were.
    pub fn clear(&self, machines: Option<&str>) -> usize {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let before = rules.len();
        rules.retain(|rule| machines.is_some_and(|machines| rule.order.machines != machines));
        self.count.store(rules.len(), Ordering::Release);
        before - rules.len()
    }

    /// Every rule.
    pub fn list(&self) -> Vec<Shown> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let shown = |rule: &Rule| Shown {
            id: rule.id,
            machines: rule.order.machines.clone(),
            fault: rule.order.fault.to_string(),
            hits: rule.hits.load(Ordering::Relaxed),
        };
        rules.iter().filter(|rule| rule.until.is_none_or(|until| until > now)).map(shown).collect()
    }

    /// The first fault of `machine` that `pick` takes, which thereby has struck once more.
    fn find<T>(&self, machine: &Machine, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        if self.count.load(Ordering::Acquire) > 0 {
            let (name, now) = (machine.name(), Instant::now());
            let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
            let stands = |rule: &&Rule| {
                rule.until.is_none_or(|until| until > now) && matches(&rule.order.machines, &name)
            };
            let struck = |rule: &Rule| pick(&rule.order.fault).filter(|_| rule.strikes());
            let found = rules.iter().filter(stands).find_map(|rule| struck(rule).map(|found| (rule, found)));
            if let Some((rule, found)) = found {
                self.journal.note(machine, machine.state().boots, &rule.order.fault);
                return Some(found);
            }
        }
        let chaos = self.chaos?;
        let boots = machine.state().boots;
        let fault = chaos.fault(machine.index, boots)?;
        let found = pick(&fault);
        if found.is_some() {
            self.journal.note(machine, boots, &fault);
        }
        found
    }

    /// What its packets go through.
    pub fn link(&self, machine: &Machine) -> Link {
        let has = |wanted: fn(&Fault) -> Option<u64>| self.find(machine, wanted);
        Link {
            dead: has(|fault| matches!(fault, Fault::DeadNic).then_some(0)).is_some(),
            rate: has(|fault| if let Fault::SlowLink(rate) = fault { Some(rate.0) } else { None }),
            loss: has(|fault| if let Fault::LostPackets(of) = fault { Some(u64::from(*of)) } else { None })
                .map_or(0.0, |percent| percent as f64 / 100.0),
        }
    }

    /// From which byte on its disks take nothing.
    pub fn disk_fails_at(&self, machine: &Machine) -> Option<u64> {
        self.find(machine, |fault| if let Fault::DiskFailure(Bytes(at)) = fault { Some(*at) } else { None })
    }

    /// After how many bytes its agent dies.
    pub fn agent_dies_at(&self, machine: &Machine) -> Option<u64> {
        self.find(machine, |fault| if let Fault::AgentDies(Bytes(at)) = fault { Some(*at) } else { None })
    }

    /// Is its agent's boot cut off?
    pub fn boots_twice(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::DoubleBoot).then_some(())).is_some()
    }

    /// Does its BMC lose the line while it reads an image?
    pub fn media_are_cut(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::MediaCut).then_some(())).is_some()
    }

    /// Does its BMC want a licence for virtual media?
    pub fn media_are_unlicensed(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::MediaUnlicensed).then_some(())).is_some()
    }

    /// Does its BMC's account have that fault?
    pub fn account(&self, machine: &Machine, wanted: AccountFault) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::Account(is) if *is == wanted).then_some(()))
            .is_some()
    }

    /// Is its system silent?
    pub fn is_silent(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::NoPhoneHome).then_some(())).is_some()
    }

    /// Does it forget what was set for once?
    pub fn loses_once(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::LostOnce).then_some(())).is_some()
    }

    /// Does its BMC forget what it was to start from?
    pub fn forgets_boot(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::ForgetsBoot).then_some(())).is_some()
    }

    /// The serial number it has in place of its own.
    pub fn serial(&self, machine: &Machine) -> Option<String> {
        self.find(machine, |fault| {
            matches!(fault, Fault::WrongSerial).then(|| format!("WRONG{:05X}", machine.index))
        })
    }

    /// Does its switch do nothing?
    pub fn is_stuck(&self, machine: &Machine) -> bool {
        self.find(machine, |fault| matches!(fault, Fault::PowerStuck).then_some(())).is_some()
    }

    /// What its BMC says of its power, whatever it is.
    pub fn lie(&self, machine: &Machine) -> Option<Power> {
        self.find(machine, |fault| if let Fault::PowerLies(power) = fault { Some(*power) } else { None })
    }

    /// How long its BMC thinks.
    pub fn bmc_thinks(&self, machine: &Machine) -> Option<Duration> {
        self.find(machine, |fault| if let Fault::BmcSlow(time) = fault { Some(*time) } else { None })
    }

    /// How its BMC misbehaves at its request number `request`. Which ones of many are hit is left to chance: a fixed
    /// rhythm would fall in step with that of whoever asks, and hit the same question for ever.
    pub fn bmc_misbehaves(&self, machine: &Machine, request: u64) -> Option<Misbehaviour> {
        let throw = dice::throw(self.seed, &[u64::from(machine.index), request, 0x666c]);
        let how = self.find(machine, |fault| match fault {
            Fault::BmcFlaky(every, how) if throw.is_multiple_of(u64::from(*every)) => Some(*how),
            _ => None,
        })?;
        Some(match how {
            Misbehaviour::InTurn => match (throw >> 32) % 3 {
                0 => Misbehaviour::Error,
                1 => Misbehaviour::Garbage,
                _ => Misbehaviour::Hang,
            },
            how => how,
        })
    }
}

impl Rule {
    fn strikes(&self) -> bool {
        let take = |left: u32| match left {
            0 => None,
            u32::MAX => Some(u32::MAX),
            left => Some(left - 1),
        };
        let struck = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if struck {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        struck
    }
}

/// Does `name` match `pattern`, in which `*` stands for anything?
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = name.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    #[test]
    fn patterns_match_as_a_shell_would() {
        for (pattern, name, is) in [
            ("r1u7", "r1u7", true),
            ("r1u7", "r1u70", false),
            ("*", "r1u7", true),
            ("r1*", "r1u7", true),
            ("r1*", "r2u7", false),
            ("*u7", "r1u7", true),
            ("r*u*7", "r1u17", true),
            ("r1u*1", "r1u1", true),
            ("r1u1*1", "r1u1", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_strikes_as_often_and_as_long_as_it_says() {
        let (faults, machine) = (Faults::default(), Machine::new(6, &models::GENERIC, 1, 40));
        assert!(!faults.is_silent(&machine));
        faults.add("r1u7:no-phone-home,times=2".parse().unwrap()).unwrap();
        assert_eq!((0..5).filter(|_| faults.is_silent(&machine)).count(), 2);
        faults.add("r1*:power-stuck,seconds=10".parse().unwrap()).unwrap();
        assert!(faults.is_stuck(&machine));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(!faults.is_stuck(&machine));
        assert_eq!(faults.list().len(), 1, "what is over is not shown");
        assert_eq!(faults.list()[0].hits, 2);
        assert_eq!(faults.orders().len(), 2, "but was said");
        assert_eq!(faults.struck().len(), 2, "each is noted once a boot");
        assert_eq!(faults.clear(Some("r1u7")), 1);
        assert_eq!(faults.clear(None), 1);
    }

    #[test]
    fn a_flaky_bmc_misbehaves_now_and_then_in_all_ways_and_the_same_way_again() {
        let (faults, machine) = (Faults::new(3, None), Machine::new(0, &models::GENERIC, 1, 40));
        faults.add("*:bmc-flaky=4".parse().unwrap()).unwrap();
        let run = || (1..=400).map(|request| faults.bmc_misbehaves(&machine, request)).collect::<Vec<_>>();
        let seen = run();
        assert!((70..130).contains(&seen.iter().flatten().count()), "{seen:?}");
        for how in [Misbehaviour::Error, Misbehaviour::Garbage, Misbehaviour::Hang] {
            assert!(seen.contains(&Some(how)), "{how:?}");
        }
        assert_eq!(seen, run());
        faults.clear(None);
        faults.add("*:bmc-hangs".parse().unwrap()).unwrap();
        assert!(run().iter().all(|how| *how == Some(Misbehaviour::Hang)));
    }
}
