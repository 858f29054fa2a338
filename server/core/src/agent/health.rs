//! What a disk says of its own health, so coarse that it changes when there is something to know and not by itself.
//!
//! Whoever keeps inventories compares them: counts are rounded to two digits, and what moves all the time, the
//! temperature, is left out of what is compared ([`Health::steady`]).

use serde::{Deserialize, Serialize};

use super::{Disk, Inventory};

/// What a disk says of its own health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The kernel's word for the state it holds the disk in, where that is not the working one: `offline`, `resetting`.
    pub state: Option<String>,
    /// How warm it is, in degrees Celsius.
    pub celsius: Option<i32>,
    /// Errors that the kernel counted.
    pub errors: Option<u64>,
    /// What the disk says in all; nothing where it was not asked or has no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why, where it is not well, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Percent of the life it was made for that are used up; may go past 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_used: Option<u8>,
    /// Percent of its spare blocks that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare_percent: Option<u8>,
    /// Errors that it could not correct, about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_errors: Option<u64>,
    /// Sectors that it put elsewhere, about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reallocated: Option<u64>,
    /// Hours that it has been on, about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_on_hours: Option<u64>,
}

/// What a disk says in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is well.
    Ok,
    /// It works, and has lived as long as it was made for.
    Worn,
    /// It fails, or says that it soon will.
    Failing,
}

impl Verdict {
    /// All of them with their words.
    pub const ALL: [(&'static str, Verdict); 3] =
        [("ok", Verdict::Ok), ("worn", Verdict::Worn), ("failing", Verdict::Failing)];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Worn => "worn",
            Verdict::Failing => "failing",
        }
    }
}

impl Health {
    /// Without what moves by itself.
    #[must_use]
    pub fn steady(&self) -> Self {
        Self { celsius: None, ..self.clone() }
    }

    /// Takes over what is only known to whoever asked the disk.
    fn take_answer(&mut self, from: &Self) {
        let Self {
            verdict,
            reason,
            percent_used,
            spare_percent,
            media_errors,
            reallocated,
            power_on_hours,
            ..
        } = from.clone();
        *self = Self {
            verdict,
            reason,
            percent_used,
            spare_percent,
            media_errors,
            reallocated,
            power_on_hours,
            ..self.clone()
        };
    }
}

/// `number` to two digits, the rest cut off: 7, 42, 120, 9900.
pub fn about(number: u64) -> u64 {
    let mut scale = 1;
    while number / scale >= 100 {
        scale *= 10;
    }
    number / scale * scale
}

/// Without what moves by itself: two inventories that are the same then need not be told apart.
#[must_use]
pub fn steady(inventory: &Inventory) -> Inventory {
    let mut steady = inventory.clone();
    for disk in &mut steady.disks {
        disk.health = disk.health.as_ref().map(Health::steady).filter(|health| *health != Health::default());
    }
    steady
}

/// Keeps of `before` what `after` could not see: an agent without the right to ask a disk or a TPM says nothing of them, and
/// that is no news about a part that is still there.
pub fn keep_unseen(before: &Inventory, after: &mut Inventory) {
    if after.tpm && after.endorsement.is_none() {
        after.endorsement = before.endorsement;
    }
    for disk in &mut after.disks {
        if disk.health.as_ref().is_some_and(|health| health.verdict.is_some()) {
            continue;
        }
        let old = before.disks.iter().find(|old| is_same(old, disk)).and_then(|old| old.health.as_ref());
        if let Some(old) = old.filter(|old| old.verdict.is_some()) {
            disk.health.get_or_insert_default().take_answer(old);
        }
    }
}

/// Only a serial number or a world wide name says that it is the same disk.
fn is_same(one: &Disk, other: &Disk) -> bool {
    match (&one.serial, &other.serial) {
        (Some(one), Some(other)) => one == other,
        _ => one.wwn.is_some() && one.wwn == other.wwn,
    }
}

/// What is to be said of the disks in all: how they are, and why; nothing where none has said anything.
pub fn of_disks(disks: &[Disk]) -> Option<(Verdict, String)> {
    let told = |disk: &Disk| Some((disk.health.as_ref()?.verdict?, disk.health.as_ref()?.reason.clone()));
    let said: Vec<_> = disks.iter().filter_map(|disk| Some((disk, told(disk)?))).collect();
    if said.is_empty() {
        return None;
    }
    let name = |disk: &Disk| match &disk.serial {
        Some(serial) => format!("{} (serial {serial})", disk.name),
        None => disk.name.clone(),
    };
    for verdict in [Verdict::Failing, Verdict::Worn] {
        let troubled: Vec<_> = said.iter().filter(|(_, (its, _))| *its == verdict).collect();
        if troubled.is_empty() {
            continue;
        }
        let shown = troubled.iter().take(SHOWN).map(|(disk, (_, reason))| {
            format!("{}: {}", name(disk), reason.as_deref().unwrap_or(verdict.as_str()))
        });
        let mut words = shown.collect::<Vec<_>>().join("; ");
        if troubled.len() > SHOWN {
            words.push_str(&format!("; and {} more", troubled.len() - SHOWN));
        }
        return Some((verdict, words));
    }
    Some((Verdict::Ok, format!("{} of {} disks say that they are well", said.len(), disks.len())))
}

/// The most disks that are named at once.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(serial: &str, verdict: Option<Verdict>, celsius: i32) -> Disk {
        let reason = (verdict == Some(Verdict::Failing)).then(|| "it can be read only".to_owned());
        let health = Health { verdict, reason, celsius: Some(celsius), ..Health::default() };
        Disk { name: "sda".into(), serial: Some(serial.into()), health: Some(health), ..Disk::default() }
    }

    fn machine(disks: Vec<Disk>) -> Inventory {
        Inventory { disks, tpm: true, ..Inventory::default() }
    }

    #[test]
    fn counts_are_told_to_two_digits() {
        let told = [0, 7, 42, 99, 100, 129, 12_999, u64::MAX].map(about);
        assert_eq!(told, [0, 7, 42, 99, 100, 120, 12_000, 18_000_000_000_000_000_000]);
    }

    #[test]
    fn a_disk_that_grew_warmer_is_no_news_and_one_that_fails_is() {
        let before = machine(vec![disk("A", Some(Verdict::Ok), 30)]);
        assert_eq!(steady(&before), steady(&machine(vec![disk("A", Some(Verdict::Ok), 44)])));
        assert_ne!(steady(&before), steady(&machine(vec![disk("A", Some(Verdict::Failing), 30)])));
    }

    #[test]
    fn what_an_agent_cannot_see_is_not_taken_back_but_for_a_part_that_is_gone() {
        let mut before = machine(vec![disk("A", Some(Verdict::Failing), 30)]);
        let sha256 = Sha256::from_bytes([7; 32]);
        before.endorsement = Some(super::super::Endorsement { source: Source::EccKey, sha256 });
        let mut after = machine(vec![disk("A", None, 31), disk("B", None, 31)]);
        keep_unseen(&before, &mut after);
        assert_eq!(after.endorsement, before.endorsement);
        let verdicts = after.disks.iter().map(|disk| disk.health.as_ref().unwrap().verdict);
        assert_eq!(verdicts.collect::<Vec<_>>(), [Some(Verdict::Failing), None]);
        assert_eq!(after.disks[0].health.as_ref().unwrap().celsius, Some(31));
        let mut without = Inventory { tpm: false, ..machine(vec![]) };
        keep_unseen(&before, &mut without);
        assert_eq!(without.endorsement, None);
        let mut mended = machine(vec![disk("A", Some(Verdict::Ok), 31)]);
        keep_unseen(&before, &mut mended);
        assert_eq!(mended.disks[0].health.as_ref().unwrap().verdict, Some(Verdict::Ok));
    }

    #[test]
    fn the_worst_disks_speak_for_all() {
        assert_eq!(of_disks(&[disk("A", None, 30)]), None);
        let well = of_disks(&[disk("A", Some(Verdict::Ok), 30), disk("B", None, 30)]);
        assert_eq!(well, Some((Verdict::Ok, "1 of 2 disks say that they are well".into())));
        let failing = [disk("A", Some(Verdict::Worn), 30), disk("B", Some(Verdict::Failing), 30)];
        assert_eq!(
            of_disks(&failing),
            Some((Verdict::Failing, "sda (serial B): it can be read only".into()))
        );
        let many = vec![disk("A", Some(Verdict::Failing), 30); 9];
        assert!(of_disks(&many).unwrap().1.ends_with("; and 5 more"));
    }

    use super::super::endorsement::Source;
    use crate::image::Sha256;
}
