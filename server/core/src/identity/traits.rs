//! What tells one box from another, as far as it counts: a serial number that the factory left blank tells nothing, nor
//! does a UUID that a vendor burnt into every board, nor the MAC of a BMC's own USB NIC.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{Mac, agent::Inventory, host::Identity};

/// What firmware says where nobody wrote a serial number, lower case.
const BLANKS: [&str; 24] = [
    "to be filled by o.e.m.",
    "to be filled by oem",
    "filled by o.e.m.",
    "default string",
    "default",
    "none",
    "no serial",
    "not specified",
    "not available",
    "not applicable",
    "not set",
    "n/a",
    "na",
    "null",
    "unknown",
    "empty",
    "invalid",
    "o.e.m.",
    "oem",
    "serial",
    "serial number",
    "system serial number",
    "chassis serial number",
    "sernum0",
];

/// What counts up and means nothing, as far as it goes.
const COUNTING: [&str; 2] = ["0123456789", "1234567890"];

/// UUIDs that more than one board was shipped with: the AMI default in both byte orders, a Dell without its service tag,
/// and examples out of manuals.
const CLONES: [Uuid; 6] = [
    Uuid::from_u128(0x03000200_0400_0500_0006_000700080009),
    Uuid::from_u128(0x00020003_0004_0005_0006_000700080009),
    Uuid::from_u128(0x4c4c4544_0000_2010_8020_80c04f202020),
    Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff),
    Uuid::from_u128(0x12345678_1234_5678_90ab_cddeefaabbcc),
    Uuid::from_u128(0x12345678_1234_1234_1234_123456789abc),
];

/// Drivers of the NICs that BMCs and docks show over USB: many of them have one MAC for all boards of a model.
const USB_NICS: [&str; 5] = ["cdc_ether", "cdc_eem", "cdc_ncm", "cdc_subset", "rndis_host"];

/// What tells a box from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// SMBIOS system serial number.
    pub serial: Option<String>,
    /// SMBIOS system UUID.
    pub uuid: Option<Uuid>,
    /// The MACs of its NICs.
    pub macs: BTreeSet<Mac>,
}

impl Traits {
    /// What an agent found; `boot` is the NIC it says it booted over.
    pub fn of(inventory: &Inventory, boot: Option<Mac>) -> Self {
        let own = |driver: &Option<String>| !driver.as_deref().is_some_and(|it| USB_NICS.contains(&it));
        let nics = inventory.nics.iter().filter(|nic| own(&nic.driver)).map(|nic| nic.mac);
        Self {
            serial: serial(inventory.serial.as_deref()),
            uuid: uuid(inventory.uuid.as_deref().and_then(|text| text.parse().ok())),
            macs: nics.chain(boot).filter(Mac::is_unicast).collect(),
        }
    }

    /// What the enrolment says.
    pub fn enrolled(identity: &Identity) -> Self {
        Self {
            serial: serial(identity.serial.as_deref()),
            uuid: uuid(identity.uuid),
            macs: identity.boot_mac.into_iter().collect(),
        }
    }

    /// Does it share anything with the other?
    pub fn touches(&self, other: &Traits) -> bool {
        let same_serial = self.serial.is_some() && self.serial == other.serial;
        let same_uuid = self.uuid.is_some() && self.uuid == other.uuid;
        same_serial || same_uuid || !self.macs.is_disjoint(&other.macs)
    }

    /// Does it say anything at all?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A serial number, where it is one.
pub fn serial(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    let lower = text.to_lowercase();
    let mut letters = lower.chars().filter(|letter| letter.is_alphanumeric());
    let first = letters.next()?;
    // "0", "000000", "XXXX", "........", "F F F F"
    let one_letter = letters.all(|letter| letter == first) && (text.len() > 1 || first == '0');
    let counting = lower.len() > 3 && COUNTING.iter().any(|count| count.starts_with(&lower));
    (!one_letter && !counting && !BLANKS.contains(&lower.as_str())).then(|| text.to_owned())
}

/// A UUID, where it is one machine's.
pub fn uuid(uuid: Option<Uuid>) -> Option<Uuid> {
    let uuid = uuid?;
    let [first, rest @ ..] = uuid.as_bytes();
    let one_byte = rest.iter().all(|byte| byte == first);
    (!one_byte && !CLONES.contains(&uuid)).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_that_nobody_wrote_count_nothing() {
        for blank in [
            "",
            " ",
            "0",
            "00000000",
            "None",
            "Default string",
            "To Be Filled By O.E.M.",
            "XXXXXXX",
            "...",
            "N/A",
            "0123456789",
            "123456789",
            "System Serial Number",
            "To be filled by O.E.M. ",
            "1234",
        ] {
            assert_eq!(serial(Some(blank)), None, "{blank:?}");
        }
        for (text, counts) in
            [("7F3KZ12", "7F3KZ12"), (" CZ2 901 ", "CZ2 901"), ("A", "A"), ("100001", "100001")]
        {
            assert_eq!(serial(Some(text)).as_deref(), Some(counts));
        }
    }

    #[test]
    fn uuids_that_many_boards_have_count_nothing() {
        for clone in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "03000200-0400-0500-0006-000700080009",
            "fefefefe-fefe-fefe-fefe-fefefefefefe",
        ] {
            assert_eq!(uuid(clone.parse().ok()), None, "{clone}");
        }
        let own = "4c4c4544-0036-4a10-8052-b7c04f5a3132".parse().ok();
        assert_eq!(uuid(own), own);
    }
}
