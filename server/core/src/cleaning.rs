//! Cleaning: how the disks of a host are wiped between two machines, and the record that says what was done and seen.
//!
//! The agent does it and reports a [`Wipe`] for every disk; the host's controller keeps the records. A host that is to be
//! cleaned holds its own claim, so no machine can have it before its disks are proven clean.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bytes, agent::ExpectedIdentity};

/// How many records are kept of one host; the oldest make room.
pub const REMEMBERED: usize = 8;
/// The most disks that one record tells of.
pub const DISKS: usize = 64;
/// The most blocks that are read back from one disk.
pub const SAMPLES: u32 = 256;

/// How thoroughly, as a pool says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Not at all: disks are left as they are.
    #[default]
    None,
    /// What finds data at a first look is gone: both ends of each disk are overwritten, and it is told that it may forget
    /// the rest.
    Quick,
    /// Every block is overwritten once.
    Overwrite,
    /// By the most thorough method that each disk has.
    Best,
}

impl Policy {
    /// All of them, each with its word in HCL.
    pub const WORDS: [(&'static str, Policy); 4] = [
        ("none", Policy::None),
        ("quick", Policy::Quick),
        ("overwrite", Policy::Overwrite),
        ("best", Policy::Best),
    ];

    /// The word used in HCL.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, policy)| *policy == self).map_or("none", |(word, _)| word)
    }

    /// Are disks left as they are?
    pub fn is_none(&self) -> bool {
        *self == Policy::None
    }
}

/// What makes a disk forget what is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// NVMe Sanitize, block erase (NVMe base specification 2.0, 5.24).
    NvmeSanitizeBlock,
    /// NVMe Sanitize, crypto erase.
    NvmeSanitizeCrypto,
    /// NVMe Format with user data erase (5.14).
    NvmeFormatErase,
    /// NVMe Format with cryptographic erase.
    NvmeFormatCrypto,
    /// ATA Security Erase Unit, enhanced (ACS-4 7.37).
    AtaEraseEnhanced,
    /// ATA Security Erase Unit.
    AtaErase,
    /// The kernel's secure discard (eMMC, SD).
    SecureDiscard,
    /// Zeros, written to every block the disk shows.
    Overwrite,
    /// Both ends overwritten with zeros, the rest discarded where the disk can.
    Quick,
}

impl Method {
    /// All of them, each with its word.
    pub const WORDS: [(&'static str, Method); 9] = [
        ("nvme_sanitize_block", Method::NvmeSanitizeBlock),
        ("nvme_sanitize_crypto", Method::NvmeSanitizeCrypto),
        ("nvme_format_erase", Method::NvmeFormatErase),
        ("nvme_format_crypto", Method::NvmeFormatCrypto),
        ("ata_erase_enhanced", Method::AtaEraseEnhanced),
        ("ata_erase", Method::AtaErase),
        ("secure_discard", Method::SecureDiscard),
        ("overwrite", Method::Overwrite),
        ("quick", Method::Quick),
    ];

    /// The word of records.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, method)| *method == self).map_or("overwrite", |(word, _)| word)
    }
}

/// The order to wipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// The host must be this one, or nothing is wiped.
    pub identity: ExpectedIdentity,
    /// How.
    pub policy: Policy,
    /// Tells which blocks are read back; kept in the record, so that anybody can read the same ones.
    pub seed: u64,
}

/// What became of one disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wipe {
    /// Kernel name at that boot.
    pub disk: String,
    /// Serial number.
    pub serial: Option<String>,
    /// World wide name.
    pub wwn: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Size.
    pub size: Bytes,
    /// How it ended.
    pub ending: Ending,
    /// By what it was wiped; none where nothing was done.
    pub method: Option<Method>,
    /// Methods that came before, and why they did not do.
    pub passed_over: Vec<String>,
    /// Bytes that the method covered.
    pub bytes: u64,
    /// How long it took, reading back included.
    pub elapsed_ms: u64,
    /// What was read back; none where it did not come to that.
    pub proof: Option<Proof>,
}

/// How the wipe of a disk ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// Wiped, and read back as it must.
    Wiped,
    /// It is never written to, because it may be somebody else's: why.
    Spared {
        /// `removable`, `iscsi`...
        why: String,
    },
    /// It did not work.
    Failed {
        /// Why.
        why: String,
    },
}

/// What was read back from a disk.
///
/// Before the wipe a mark that nobody else knows is written to every sampled block; afterwards each must read as zeros, or as
/// something that is neither the mark nor what was there before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Tells which blocks, together with the disk's size.
    pub seed: u64,
    /// How many blocks were read: the first, the last, and others in between.
    pub samples: u32,
    /// Bytes of each.
    pub block: u32,
    /// Of these, how many held something other than zeros before.
    pub held_data: u32,
    /// How many read as zeros now.
    pub zeros: u32,
    /// How many read as something that was not there before (a crypto erase leaves noise).
    pub changed: u32,
    /// How many read as they did before: none, where the wipe counts as one.
    pub kept: u32,
    /// BLAKE3 of all blocks as they were before, hex.
    pub before: String,
    /// BLAKE3 of all blocks as they are now, hex.
    pub after: String,
}

/// Why a host was cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A machine let go of it.
    Released,
    /// Somebody had it repaired.
    Repair,
}

/// One cleaning of a host, as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it ended.
    pub at: Timestamp,
    /// Why it was done.
    pub reason: Reason,
    /// How thoroughly.
    pub policy: Policy,
    /// A line for each disk.
    pub disks: Vec<Wipe>,
}

impl Record {
    /// The disks that are not clean, each with the reason.
    pub fn failures(&self) -> Vec<String> {
        let failed = |wipe: &Wipe| match &wipe.ending {
            Ending::Failed { why } => Some(format!("{}: {why}", named(wipe))),
            Ending::Wiped | Ending::Spared { .. } => None,
        };
        self.disks.iter().filter_map(failed).collect()
    }
}

fn named(wipe: &Wipe) -> String {
    let serial = wipe.serial.as_ref().map(|serial| format!(" (serial {serial})")).unwrap_or_default();
    format!("{}{serial}", wipe.disk)
}

/// Remembers `record`, beside what is remembered.
pub fn remember(records: &mut Vec<Record>, record: Record) {
    records.push(record);
    let surplus = records.len().saturating_sub(REMEMBERED);
    records.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wipe(name: &str, ending: Ending) -> Wipe {
        Wipe {
            disk: name.into(),
            serial: Some(format!("S-{name}")),
            wwn: None,
            model: None,
            size: Bytes(1 << 30),
            ending,
            method: Some(Method::Overwrite),
            passed_over: Vec::new(),
            bytes: 1 << 30,
            elapsed_ms: 1,
            proof: None,
        }
    }

    #[test]
    fn a_record_names_the_disks_that_are_not_clean_and_no_others() {
        let failed = Ending::Failed { why: "writing at byte 0: Input/output error".into() };
        let spared = Ending::Spared { why: "removable".into() };
        let disks = vec![wipe("sda", Ending::Wiped), wipe("sdb", failed), wipe("sdc", spared)];
        let record =
            Record { at: Timestamp::UNIX_EPOCH, reason: Reason::Released, policy: Policy::Best, disks };
        assert_eq!(record.failures(), ["sdb (serial S-sdb): writing at byte 0: Input/output error"]);
        let mut records = Vec::new();
        for _ in 0..20 {
            remember(&mut records, record.clone());
        }
        assert_eq!(records.len(), REMEMBERED);
    }

    #[test]
    fn each_word_is_one_policy_or_method() {
        for (word, policy) in Policy::WORDS {
            assert_eq!(policy.word(), word);
        }
        for (word, method) in Method::WORDS {
            assert_eq!(method.word(), word);
            assert_eq!(serde_json::to_value(method).unwrap(), word);
        }
    }
}
