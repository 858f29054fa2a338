//! What disks say of themselves when they are asked. Only reads; each question is bounded in time, and a disk that hangs holds
//! up its own thread and nothing else.
//!
//! - [`nvme`]: the SMART / Health log; [`ata`]: SMART through the SCSI layer; [`scsi`]: log pages
//! - [`ask`]: which of them a disk is asked for
//!
//! What comes back was written by a disk's firmware: parsers take any bytes, and say nothing where they make no sense.

mod ask;
mod ata;
mod nvme;
mod scsi;

pub use ask::{Disks, add_to, ask};

use underlay_core::agent::{Verdict, health::about};

/// What a disk answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    verdict: Option<Verdict>,
    reason: Option<String>,
    percent_used: Option<u8>,
    spare_percent: Option<u8>,
    media_errors: Option<u64>,
    reallocated: Option<u64>,
    power_on_hours: Option<u64>,
}

impl Told {
    /// The verdict that follows from `failing`, what the disk says of its end in words, and from its wear.
    fn judged(mut self, failing: &[&str]) -> Self {
        let worn = self.percent_used.filter(|used| *used >= 100);
        (self.verdict, self.reason) = match (failing, worn) {
            ([], None) => (Some(Verdict::Ok), None),
            ([], Some(used)) => {
                let why = format!("it has used {used} percent of the life it was made for");
                (Some(Verdict::Worn), Some(why))
            }
            (failing, _) => (Some(Verdict::Failing), Some(failing.join(", "))),
        };
        self.media_errors = self.media_errors.map(about);
        self.reallocated = self.reallocated.map(about);
        self.power_on_hours = self.power_on_hours.map(about);
        self
    }
}
