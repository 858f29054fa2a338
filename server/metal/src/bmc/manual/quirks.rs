//! What people make of it.
//!
//! - They switch a host on and do not say so: whatever is seen of it since it was said to be off (a boot server asked,
//!   its agent, its installed system) says that it is on. So no machine is let go of a host that runs, and nobody waits
//!   for a word when the agent is there.
//! - They say that it is off before it is: the same holds.
//! - They say nothing at all: then nothing is known, which is neither on nor off.

use jiff::Timestamp;
use underlay_core::bmc::Power;

/// What is known of a host's power without asking anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What somebody said last, and when.
    pub confirmed: Option<(Power, Timestamp)>,
    /// When the host itself was last heard of.
    pub heard_of: Option<Timestamp>,
}

impl Known {
    /// Is it on?
    pub(super) fn power(self) -> Power {
        match (self.confirmed, self.heard_of) {
            (Some((Power::Off, said)), Some(heard)) if heard > said => Power::On,
            (Some((power, _)), _) => power,
            (None, _) => Power::Unknown,
        }
    }
}
