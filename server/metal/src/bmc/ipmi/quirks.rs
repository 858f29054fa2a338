//! What real BMCs make of the standard, each with where it was seen or is told of.
//!
//! - The system GUID comes in one of three orders: as the specification says (the UUID backwards), as SMBIOS keeps it (its
//!   first three fields little-endian), or as it is written. ipmitool has an option for it; so the order is the one in
//!   which it is the enrolled UUID, else the only one in which it is a UUID at all, else it is not told.
//! - Boot flags are cleared when no chassis command comes for 60 s (section 28.12): they are told to stay. That, the
//!   acknowledgement of the BIOS and "set in progress" are options which small BMCs lack (ipmi_sim 2.0.33 the last one),
//!   or say are set already: none is insisted on.
//! - ipmi_sim 2.0.33 takes boot flags and shows their device, but never that they are valid: a BMC which does so right after
//!   they were set is believed by the device alone.
//! - Some keep a persistent override as one for the next boot only, and some drop the EFI bit when it is read back: a
//!   device that is the one asked for will do.
//! - A chassis control into the state that the system is in already is an error on some: the state is read again then.
//! - A BMC that knows no suite 17 refuses it (ipmi_sim 2.0.33), or says nothing at all: suite 3 is tried then, unless one
//!   is asked for.

use underlay_core::{
    bmc::Target,
    host::{self, Firmware},
};
use uuid::Uuid;

use super::{packet::Flaw, session::Fault, suite::Suite};

/// The suites to try, in order.
pub(super) fn suites(wanted: Option<u8>, worked: Option<Suite>) -> Vec<Suite> {
    match wanted.and_then(Suite::numbered).or(worked) {
        Some(suite) => vec![suite],
        None => vec![Suite::Seventeen, Suite::Three],
    }
}

/// May another suite help?
pub(super) fn may_want_another_suite(fault: &Fault) -> bool {
    // Invalid or unmatched algorithms or payloads, no suite that matches (table 13-15).
    matches!(fault, Fault::Silent | Fault::Status(0x03..=0x07 | 0x10..=0x12))
}

/// The GUID as the UUID of the system, in lower case.
pub(super) fn uuid(guid: [u8; 16], enrolled: Option<Uuid>) -> Option<String> {
    if guid == [0; 16] || guid == [0xff; 16] {
        return None;
    }
    let backwards = u128::from_be_bytes(guid).swap_bytes();
    let orders = [Uuid::from_u128(backwards), Uuid::from_bytes_le(guid), Uuid::from_bytes(guid)];
    let found = match enrolled {
        Some(enrolled) if orders.contains(&enrolled) => Some(enrolled),
        _ => {
            let mut sound = orders.into_iter().filter(is_sound);
            sound.next().filter(|_| sound.next().is_none())
        }
    };
    found.map(|uuid| uuid.to_string())
}

/// Has it the variant and a version of RFC 9562?
fn is_sound(uuid: &Uuid) -> bool {
    uuid.get_variant() == uuid::Variant::RFC4122 && (1..=8).contains(&uuid.get_version_num())
}

/// Boot flags: parameter 5 of the boot options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(pub(super) [u8; 5]);

const VALID: u8 = 0x80;
const PERSISTENT: u8 = 0x40;
const EFI: u8 = 0x20;
const DEVICE: u8 = 0x3c;
const NETWORK: u8 = 1 << 2;
const DISK: u8 = 2 << 2;

impl Flags {
    /// What is asked for. The network once: should that be lost, or used up unseen, the firmware's own order counts. The
    /// disk from now on: a host whose firmware tries the network first must not need us to come up.
    pub(super) fn of(target: Target, how: &host::Boot) -> Self {
        let mode = match how.mode {
            Firmware::Uefi => EFI,
            Firmware::Bios => 0,
        };
        match target {
            // IPMI has one word for the network, and none for virtual media, which the driver refuses.
            Target::NetworkOnce | Target::HttpOnce | Target::MediaOnce => {
                Self([VALID | mode, NETWORK, 0, 0, 0])
            }
            Target::Disk => Self([VALID | PERSISTENT | mode, DISK, 0, 0, 0]),
        }
    }

    /// As a BMC tells them: version, parameter, flags; left out where there are none set.
    pub(super) fn read(answer: &[u8]) -> Result<Self, Flaw> {
        let [_, _, flags @ ..] = super::packet::Bytes(answer).array::<7>()?;
        Ok(Self(flags))
    }

    /// Are they in force?
    pub(super) fn are_valid(self) -> bool {
        let [first, ..] = self.0;
        first & VALID != 0
    }

    /// What the host will start from, if they are in force.
    pub(super) fn target(self) -> Option<Target> {
        let [_, second, ..] = self.0;
        match second & DEVICE {
            NETWORK => Some(Target::NetworkOnce),
            DISK => Some(Target::Disk),
            _ => None,
        }
    }
}

/// Does a BMC show whether its boot flags are valid?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Validity {
    /// As the specification says.
    #[default]
    Shown,
    /// It takes them and never shows it.
    Hidden,
}

impl Validity {
    /// What the host will start from, as far as the BMC tells.
    pub(super) fn target(self, flags: Flags) -> Option<Target> {
        flags.target().filter(|_| self == Validity::Hidden || flags.are_valid())
    }
}
