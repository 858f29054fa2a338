//! Trust: for what reason the server believes that a freshly booted agent runs on the host it says, and so what such an
//! agent may be given.
//!
//! Everything secret (the one-time token of a boot, and the seed that an agent then gets) is given out by what is required
//! here and by nothing weaker: a host's own ways to boot are narrowed to those that will do.

use serde::{Deserialize, Serialize};

use crate::host::{Boot, BootMethod};

/// Why a freshly booted agent is believed; in order, the later the more it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It is on the boot segment, and asked first.
    #[default]
    Segment,
    /// The host's BMC showed it its image, and nobody on the segment was given anything.
    VirtualMedia,
    /// The host's TPM says that it started the agent's signed program and nothing else.
    Tpm,
}

impl Trust {
    /// All of them.
    pub const ALL: [Trust; 3] = [Trust::Segment, Trust::VirtualMedia, Trust::Tpm];

    /// The word for it, as in HCL.
    pub fn word(self) -> &'static str {
        match self {
            Trust::Segment => "segment",
            Trust::VirtualMedia => "virtual_media",
            Trust::Tpm => "tpm",
        }
    }

    /// Of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.word() == word)
    }

    /// Will this way to boot do?
    pub fn allows(self, method: BootMethod) -> bool {
        match self {
            Trust::Segment => true,
            Trust::VirtualMedia => method == BootMethod::VirtualMedia,
            // The one program whose measurement is known.
            Trust::Tpm => method == BootMethod::Http,
        }
    }

    /// The word of `boot.methods` that it needs.
    pub fn method(self) -> &'static str {
        match self {
            Trust::Segment => "pxe",
            Trust::VirtualMedia => "virtual_media",
            Trust::Tpm => "http",
        }
    }

    /// Leaves of a host's ways to boot those that will do; that may be none.
    pub fn narrow(self, boot: &mut Boot) {
        boot.methods.retain(|method| self.allows(*method));
    }

    /// Is it what is meant where nothing is said?
    pub fn is_segment(&self) -> bool {
        *self == Trust::Segment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [BootMethod; 3] = [BootMethod::Pxe, BootMethod::VirtualMedia, BootMethod::Http];

    #[test]
    fn each_is_spelt_and_read_as_itself() {
        for trust in Trust::ALL {
            assert_eq!(Trust::of(trust.word()), Some(trust));
            assert_eq!(serde_json::to_value(trust).expect("text"), trust.word());
        }
        assert_eq!(Trust::of("bmc"), None);
    }

    #[test]
    fn what_is_trusted_narrows_the_ways_to_boot_and_nothing_else_does() {
        let narrowed = |trust: Trust, methods: &[BootMethod]| {
            let mut boot = Boot { methods: methods.to_vec(), ..Boot::default() };
            trust.narrow(&mut boot);
            (boot.methods.clone(), boot.trusts_the_segment())
        };
        assert_eq!(narrowed(Trust::Segment, &METHODS).0, METHODS);
        assert_eq!(narrowed(Trust::VirtualMedia, &METHODS), (vec![BootMethod::VirtualMedia], false));
        assert_eq!(narrowed(Trust::VirtualMedia, &[BootMethod::Pxe]), (vec![], false));
        assert_eq!(narrowed(Trust::Tpm, &METHODS), (vec![BootMethod::Http], true));
        assert!(narrowed(Trust::Segment, &[BootMethod::Pxe]).1);
    }

    #[test]
    fn more_is_more() {
        assert!(Trust::Segment < Trust::VirtualMedia && Trust::VirtualMedia < Trust::Tpm);
    }
}
