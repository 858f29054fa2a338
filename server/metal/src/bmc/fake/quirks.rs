//! The faults of the scripted BMC, after those that real ones have.

use underlay_core::bmc::{Error, Power};

/// The address the scripted BMC goes by in errors.
pub(super) const ADDRESS: &str = "fake-bmc";

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It says no: wrong credentials.
    Refuse,
    /// It does not answer: the network is down.
    Silent,
    /// It answers something that makes no sense.
    Broken,
    /// It asks to be left alone.
    Busy,
    /// It cannot do that, ever: no licence.
    Unable,
    /// It takes the call and never ends it.
    Hang,
    /// It says yes and does nothing; `observe` goes on telling the truth.
    Lie,
    /// It tells of this power state, whatever it is.
    Claims(Power),
    /// It does what it should, shortly before whoever asked gives up.
    Slow,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The next call only.
    Once,
    /// Until it is mended.
    Forever,
}

impl Fault {
    /// Does whoever asks learn that it went wrong?
    pub fn shows(self) -> bool {
        self == Fault::Hang || self.error().is_some()
    }

    /// The error it shows as; a hang, a lie and patience show as none.
    pub(super) fn error(self) -> Option<Error> {
        let address = ADDRESS.to_owned();
        match self {
            Fault::Refuse => Some(Error::Refused { address, why: "401 Unauthorized".into() }),
            Fault::Silent => Some(Error::Unreachable { address, source: None }),
            Fault::Broken => Some(Error::Nonsense {
                address,
                request: "GET /".into(),
                why: "expected value at line 1".into(),
            }),
            Fault::Busy => Some(Error::Busy { address, why: "503 Service Unavailable".into() }),
            Fault::Unable => Some(Error::Unsupported {
                address,
                wish: "do that".into(),
                why: "403 Forbidden: no licence".into(),
            }),
            Fault::Hang | Fault::Lie | Fault::Claims(_) | Fault::Slow => None,
        }
    }
}
