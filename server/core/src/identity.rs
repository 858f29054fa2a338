//! Which box is it? Holds what the enrolment says against what the agent found.
//!
//! [`check`] is for one box and one host; [`score`] finds the host among all; [`traits`](Traits) say what counts.

pub mod score;
mod traits;

pub use traits::{Traits, serial, uuid};

use crate::{
    Mac, Object,
    agent::{ExpectedIdentity, Inventory},
    bmc,
    host::{Host, Identity},
};

/// The box is not the one that was enrolled.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what} is {found}, the enrolment says {expected}")]
pub struct Mismatch {
    what: &'static str,
    found: String,
    expected: String,
}

/// Does the box that `inventory` describes match the enrolment? Each identity given must.
///
/// # Errors
/// The first that does not.
pub fn check(identity: &Identity, inventory: &Inventory) -> Result<(), Mismatch> {
    let unknown = || "not known".to_owned();
    if let Some(serial) = &identity.serial
        && inventory.serial.as_deref().map(str::trim) != Some(serial.trim())
    {
        let found = inventory.serial.clone().unwrap_or_else(unknown);
        return Err(Mismatch { what: "the serial number", found, expected: serial.clone() });
    }
    if let Some(uuid) = &identity.uuid {
        let expected = uuid.to_string();
        if inventory.uuid.as_deref().map(str::to_lowercase).as_deref() != Some(expected.as_str()) {
            let found = inventory.uuid.clone().unwrap_or_else(unknown);
            return Err(Mismatch { what: "the system UUID", found, expected });
        }
    }
    if let Some(mac) = identity.boot_mac
        && !inventory.nics.iter().any(|nic| nic.mac == mac)
    {
        let found = inventory.nics.iter().map(|nic| nic.mac.to_string()).collect::<Vec<_>>().join(", ");
        let found = if found.is_empty() { unknown() } else { found };
        return Err(Mismatch { what: "the MAC of its NICs", found, expected: mac.to_string() });
    }
    Ok(())
}

/// Does the box that a driver says it speaks for match the enrolment? Only what the driver tells counts: this keeps the
/// wrong box from being switched, [`check`] keeps it from being written to.
///
/// # Errors
/// The first that does not.
pub fn claimed(identity: &Identity, observation: &bmc::Observation) -> Result<(), Mismatch> {
    let expected = [
        ("the serial number", identity.serial.clone(), observation.serial.clone()),
        ("the system UUID", identity.uuid.map(|uuid| uuid.to_string()), observation.uuid.clone()),
    ];
    for (what, expected, found) in expected {
        if let (Some(expected), Some(found)) = (expected, found)
            && !expected.trim().eq_ignore_ascii_case(found.trim())
        {
            return Err(Mismatch { what, found: format!("{found} by its BMC"), expected });
        }
    }
    Ok(())
}

/// What the agent itself must find before it writes.
pub fn expected(identity: &Identity) -> ExpectedIdentity {
    ExpectedIdentity {
        serial: identity.serial.clone(),
        uuid: identity.uuid.map(|uuid| uuid.to_string()),
        mac: identity.boot_mac,
    }
}

/// The NICs a host may boot over: the one enrolled, else all its driver or its agent knows of.
pub fn boot_macs(host: &Object<Host>, seen: &[Mac]) -> Vec<Mac> {
    if let Some(mac) = host.spec.identity.boot_mac {
        return vec![mac];
    }
    let inventory = host.status.inventory.iter().flat_map(|found| found.nics.iter().map(|nic| nic.mac));
    let mut macs: Vec<Mac> = seen.iter().copied().chain(host.status.boot_mac).chain(inventory).collect();
    macs.sort_unstable();
    macs.dedup();
    macs.retain(Mac::is_unicast);
    macs
}

/// The identity in words, for the history.
pub fn describe(identity: &Identity) -> String {
    let serial = identity.serial.as_ref().map(|serial| format!("serial {serial}"));
    let uuid = identity.uuid.map(|uuid| format!("UUID {uuid}"));
    let mac = identity.boot_mac.map(|mac| format!("MAC {mac}"));
    let known: Vec<String> = [serial, uuid, mac].into_iter().flatten().collect();
    if known.is_empty() { "identity by its driver".into() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use crate::agent::Nic;

    use super::*;

    fn found() -> Inventory {
        let mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
        let nic = Nic {
            name: "eth0".into(),
            mac,
            link: true,
            speed: None,
            addresses: vec![],
            driver: None,
            boot: true,
            neighbour: None,
        };
        Inventory { serial: Some("ABC-1".into()), nics: vec![nic], ..Inventory::default() }
    }

    #[test]
    fn the_enrolled_box_passes() {
        let identity = Identity {
            serial: Some("ABC-1".into()),
            boot_mac: Some(Mac([0x52, 0x54, 0, 0, 0, 1])),
            uuid: None,
        };
        assert_eq!(check(&identity, &found()), Ok(()));
    }

    #[test]
    fn one_wrong_identity_is_enough_to_refuse() {
        let identity = Identity {
            serial: Some("ABC-1".into()),
            boot_mac: Some(Mac([0x52, 0x54, 0, 0, 0, 2])),
            uuid: None,
        };
        let mismatch = check(&identity, &found()).expect_err("another MAC");
        assert!(mismatch.to_string().contains("52:54:00:00:00:02"), "{mismatch}");
    }

    #[test]
    fn a_driver_is_held_to_what_it_tells_and_no_further() {
        let observed = |serial: Option<&str>| bmc::Observation {
            power: bmc::Power::Off,
            next_boot: None,
            serial: serial.map(str::to_owned),
            uuid: None,
            macs: Vec::new(),
            forwards: Default::default(),
            certificate: None,
            boots: None,
            facts: Default::default(),
        };
        let identity = Identity { serial: Some("ABC-1".into()), ..Identity::default() };
        assert_eq!(claimed(&identity, &observed(None)), Ok(()));
        assert_eq!(claimed(&identity, &observed(Some("ABC-1 "))), Ok(()));
        let mismatch = claimed(&identity, &observed(Some("XYZ-9"))).expect_err("another serial");
        assert!(mismatch.to_string().contains("XYZ-9"), "{mismatch}");
    }

    #[test]
    fn an_identity_that_cannot_be_read_does_not_pass() {
        let identity = Identity { uuid: Some(uuid::Uuid::nil()), ..Identity::default() };
        assert!(check(&identity, &found()).is_err());
    }
}
