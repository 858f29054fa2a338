//! ATA: the security feature set's erase (ACS-4, 4.18 and 7.37), through the kernel's SCSI translation (SAT-4, 12.2.2).
//!
//! The erase takes a password, which is set first and gone when the erase has gone well. It is no secret: a disk whose power fails
//! in between is locked with it, and the next cleaning takes up there.

use std::fs::File;

use underlay_core::cleaning::Method;

use super::drive::PassedOver;
use crate::sys::{self, Data, ScsiStatus};

const IDENTIFY: u8 = 0xec;
const SET_PASSWORD: u8 = 0xf1;
const UNLOCK: u8 = 0xf2;
const ERASE_PREPARE: u8 = 0xf3;
const ERASE_UNIT: u8 = 0xf4;
const DISABLE_PASSWORD: u8 = 0xf6;

/// The password under which a disk may be found locked after a loss of power.
pub const PASSWORD: &[u8; 8] = b"underlay";

/// How long an ordinary command may take, in milliseconds.
const SHORT: u32 = 30_000;
/// The longest an erase is waited for, in minutes: a disk that says nothing of its time may be a large one.
const LONGEST: u32 = 24 * 60;

/// Sends ATA commands.
pub trait Taskfile {
    /// Sends one.
    fn send(&self, command: u8, data: Data<'_>, timeout_ms: u32) -> std::io::Result<ScsiStatus>;
}

impl Taskfile for File {
    fn send(&self, command: u8, data: Data<'_>, timeout_ms: u32) -> std::io::Result<ScsiStatus> {
        // ATA PASS-THROUGH (16): the protocol in byte 1; in byte 2 that the sector count says how many blocks, and which way.
        let (protocol, flags, sectors) = match data {
            Data::None => (3, 0x00, 0),
            Data::From(_) => (4, 0x0e, 1),
            Data::To(_) => (5, 0x06, 1),
        };
        let mut command_block = [0_u8; 16];
        let [operation, proto, how, _, _, _, count, ..] = &mut command_block;
        (*operation, *proto, *how, *count) = (0x85, protocol << 1, flags, sectors);
        let [.., ata, _] = &mut command_block;
        *ata = command;
        sys::scsi(self, &command_block, data, timeout_ms)
    }
}

/// What the disk says of its security (IDENTIFY DEVICE, words 89, 90 and 128).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    is_supported: bool,
    is_enabled: bool,
    is_locked: bool,
    is_frozen: bool,
    is_expired: bool,
    has_enhanced: bool,
    minutes: u32,
    enhanced_minutes: u32,
}

impl Abilities {
    /// Asks it; `None` where it is no ATA disk.
    pub fn read(device: &File) -> Option<Self> {
        Self::ask(device)
    }

    fn ask(disk: &dyn Taskfile) -> Option<Self> {
        let mut data = [0; 512];
        let status = disk.send(IDENTIFY, Data::From(&mut data), SHORT).ok()?;
        let word = |at: usize| {
            let low = data.get(at * 2).copied().unwrap_or_default();
            u16::from_le_bytes([low, data.get(at * 2 + 1).copied().unwrap_or_default()])
        };
        // Word 0, bit 15 is clear on every ATA disk; one that answers nothing is none.
        if !status.is_good() || word(0) & 1 << 15 != 0 || data.iter().all(|byte| *byte == 0) {
            return None;
        }
        let security = word(128);
        Some(Self {
            is_supported: security & 1 != 0,
            is_enabled: security & 2 != 0,
            is_locked: security & 4 != 0,
            is_frozen: security & 8 != 0,
            is_expired: security & 16 != 0,
            has_enhanced: security & 32 != 0,
            minutes: minutes(word(89)),
            enhanced_minutes: minutes(word(90)),
        })
    }

    /// The methods it has, the most thorough first; and those it has not, or does not give now.
    pub fn methods(&self) -> (Vec<Method>, Vec<PassedOver>) {
        let objection = if !self.is_supported {
            Some("the disk does not offer it")
        } else if self.is_frozen {
            Some(
                "the firmware froze the disk's security at this boot (its setup may have an option against that)",
            )
        } else if self.is_expired {
            Some("the disk takes no more passwords before it was switched off")
        } else {
            None
        };
        let (mut has, mut lacks) = (Vec::new(), Vec::new());
        for (method, is_there) in [(Method::AtaEraseEnhanced, self.has_enhanced), (Method::AtaErase, true)] {
            match objection {
                Some(why) => lacks.push((method, why.to_owned())),
                None if !is_there => lacks.push((method, "the disk does not offer it".to_owned())),
                None => has.push(method),
            }
        }
        (has, lacks)
    }
}

/// ACS-4 7.13.6.40: in bits 7:0 units of two minutes, up to 508; with bit 15 set, in bits 14:0.
fn minutes(word: u16) -> u32 {
    let (units, most) = if word & 1 << 15 == 0 { (word & 0xff, 0xff) } else { (word & 0x7fff, 0x7fff) };
    if units == 0 || units == most { LONGEST } else { u32::from(units) * 2 }
}

/// Erases the disk.
///
/// # Errors
/// In words; the password is off again, as far as the disk lets it.
pub fn erase(device: &File, abilities: &Abilities, method: Method) -> Result<(), String> {
    erase_with(device, abilities, method)
}

fn erase_with(disk: &dyn Taskfile, abilities: &Abilities, method: Method) -> Result<(), String> {
    let (enhanced, said) = match method {
        Method::AtaEraseEnhanced => (2, abilities.enhanced_minutes),
        Method::AtaErase => (0, abilities.minutes),
        other => return Err(format!("it has no {}", other.word())),
    };
    // A disk that is locked already may be so with our password: an erase that was cut short.
    if !abilities.is_enabled {
        tell(disk, SET_PASSWORD, Some(0), SHORT, "setting a password")?;
    } else if abilities.is_locked {
        tell(disk, UNLOCK, Some(0), SHORT, "it is locked with a password; unlocking it")?;
    }
    let minutes = said.saturating_mul(2).saturating_add(30).min(LONGEST);
    let erased = tell(disk, ERASE_PREPARE, None, SHORT, "preparing the erase")
        .and_then(|()| tell(disk, ERASE_UNIT, Some(enhanced), minutes * 60_000, "erasing"));
    erased.map_err(|why| match tell(disk, DISABLE_PASSWORD, Some(0), SHORT, "taking the password off") {
        Ok(()) => why,
        Err(also) => format!("{why}; {also}: the disk may be locked, with the password \"underlay\""),
    })
}

/// A command, with the block that holds the password where it takes one: word 0 has its flags, words 1 to 16 the password.
fn tell(
    disk: &dyn Taskfile,
    command: u8,
    flags: Option<u8>,
    timeout_ms: u32,
    what: &str,
) -> Result<(), String> {
    let mut block = [0_u8; 512];
    if let Some(place) = block.get_mut(2..2 + PASSWORD.len()) {
        place.copy_from_slice(PASSWORD);
    }
    let data = match flags {
        Some(flags) => {
            if let Some(first) = block.first_mut() {
                *first = flags;
            }
            Data::To(&block)
        }
        None => Data::None,
    };
    match disk.send(command, data, timeout_ms) {
        Ok(status) if status.is_good() => Ok(()),
        Ok(status) => Err(format!("{what}: the disk refuses (sense key {:#x})", status.sense_key)),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

#[cfg(test)]
mod tests;
