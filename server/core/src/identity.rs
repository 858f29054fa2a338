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

/// What tells a box apart by its own inventory: serial number and UUID, and where it has neither, its only NIC. Which of
/// several NICs it boots over cannot be told from a system that runs already.
pub fn of(inventory: &Inventory) -> Identity {
    let uuid = inventory.uuid.as_deref().and_then(|text| text.parse::<uuid::Uuid>().ok());
    // Boards that were never given one say all zeros or all ones.
    let uuid = uuid.filter(|uuid| !uuid.is_nil() && !uuid.is_max());
    let serial = inventory.serial.clone().map(|serial| serial.trim().to_owned()).filter(|it| !it.is_empty());
    let boot_mac = match inventory.nics.as_slice() {
        [nic] if uuid.is_none() && serial.is_none() => Some(nic.mac).filter(Mac::is_unicast),
        _ => None,
    };
    Identity { boot_mac, serial, uuid, tpm: None }
}

/// How two descriptions of boxes stand to each other: how much of what is known of both is the same, and how much is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// What speaks for one box.
    pub same: u32,
    /// What speaks for two.
    pub other: u32,
}

/// Is the box of `inventory` the one that is known as `host`? What its enrolment says counts before what its agent found.
pub fn likeness(host: &Object<Host>, inventory: &Inventory) -> Likeness {
    let (enrolled, found) = (&host.spec.identity, host.status.inventory.as_ref());
    let ours = found.map(of).unwrap_or_default();
    let theirs = of(inventory);
    let mut likeness = Likeness::default();
    let mut hold = |is_same: bool| if is_same { likeness.same += 1 } else { likeness.other += 1 };
    if let (Some(one), Some(two)) = (enrolled.serial.as_ref().or(ours.serial.as_ref()), &theirs.serial) {
        hold(one.trim() == two.trim());
    }
    if let (Some(one), Some(two)) = (enrolled.uuid.or(ours.uuid), theirs.uuid) {
        hold(one == two);
    }
    let nics = || inventory.nics.iter().map(|nic| nic.mac).filter(Mac::is_unicast);
    match (enrolled.boot_mac, found) {
        (Some(mac), _) if nics().next().is_some() => hold(nics().any(|nic| nic == mac)),
        // NICs are moved and added; one that is still there says something, one that is not says nothing.
        (None, Some(found)) if nics().any(|mac| found.nics.iter().any(|nic| nic.mac == mac)) => hold(true),
        _ => {}
    }
    likeness
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
            tpm: None,
        };
        assert_eq!(check(&identity, &found()), Ok(()));
    }

    #[test]
    fn one_wrong_identity_is_enough_to_refuse() {
        let identity = Identity {
            serial: Some("ABC-1".into()),
            boot_mac: Some(Mac([0x52, 0x54, 0, 0, 0, 2])),
            uuid: None,
            tpm: None,
        };
        let mismatch = check(&identity, &found()).expect_err("another MAC");
        assert!(mismatch.to_string().contains("52:54:00:00:00:02"), "{mismatch}");
    }

    #[test]
    fn a_box_is_told_apart_by_what_it_has_and_no_nic_of_several_is_guessed() {
        let uuid = "4c4c4544-0043-4b10-8052-b4c04f384633";
        let own = of(&Inventory { uuid: Some(uuid.into()), ..found() });
        assert_eq!((own.serial.as_deref(), own.boot_mac), (Some("ABC-1"), None));
        assert_eq!(own.uuid.map(|it| it.to_string()).as_deref(), Some(uuid));
        for nobodys in
            ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "junk"]
        {
            let bare = Inventory { serial: None, uuid: Some(nobodys.into()), ..found() };
            let only = of(&bare);
            assert_eq!((only.uuid, only.boot_mac), (None, Some(Mac([0x52, 0x54, 0, 0, 0, 1]))), "{nobodys}");
            let two = Inventory { nics: [bare.nics.clone(), bare.nics.clone()].concat(), ..bare };
            assert_eq!(of(&two), Identity::default());
        }
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
