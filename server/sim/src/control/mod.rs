//! What a person at the rack can do: look, press a button, break something. JSON over HTTP on a unix socket in the rack's
//! directory; who may open it may do all of it.
//!
//! - [`serve`]: the rack's side; [`client`]: the command line's
//!
//! | request | what |
//! |---|---|
//! | `GET /machines` | all machines, in a line each |
//! | `GET /machines/NAME` | one machine |
//! | `POST /machines/NAME/button` | its power button |
//! | `GET /faults` | all rules |
//! | `POST /faults` | a new rule |
//! | `DELETE /faults?machines=PATTERN` | the rules of these machines, or all |
//! | `GET /struck` | which faults struck, in order |
//! | `GET /asked` | what BMCs were asked to change, by whom |
//! | `GET /replay` | the command that makes the same run again |

pub mod client;
pub mod serve;

use serde::{Deserialize, Serialize};

use crate::{
    machine::{Power, Stage},
    system::files::Files,
};

/// The socket's name in the rack's directory.
pub const SOCKET: &str = "rack.sock";

/// One machine, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its place.
    pub name: String,
    /// Its kind.
    pub model: &'static str,
    /// Is it on?
    pub power: Power,
    /// What it does.
    pub stage: Stage,
    /// Why it stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How often it booted.
    pub boots: u32,
    /// Its disks.
    pub disks: Vec<ShownDisk>,
    /// The files that its seed has made the installed system write, by path; of one machine only.
    #[serde(skip_serializing_if = "Files::is_empty")]
    pub files: Files,
}

/// One disk, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownDisk {
    /// Digest of the image's manifest; none on a blank disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Segments that have landed, and that there are.
    pub segments: (usize, usize),
    /// Writes it took.
    pub writes: u64,
    /// Why nothing starts from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaw: Option<&'static str>,
}

/// A rule to be added.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// Which machines, `r1u7` or `r1*`.
    pub machines: String,
    /// What, as [`crate::fault`] spells it.
    pub fault: String,
    /// How often; without an end where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// For how long; without an end where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}
