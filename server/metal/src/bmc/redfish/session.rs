//! How requests are authorised: a session (DSP0266, section 13.3.4) while there is one to be had, else HTTP Basic.
//!
//! A BMC holds few sessions, and one that nobody ends is lost until it idles out: it is ended when its client is done.

use std::time::Duration;

use tokio::time::Instant;
use underlay_core::SecretString;

/// How long Basic serves where there was no room for a session.
const FULL: Duration = Duration::from_secs(600);

/// How requests are authorised.
#[derive(Clone)]
pub(super) enum Auth {
    /// Not logged in yet.
    None,
    /// With the password each time: there are no sessions.
    Basic,
    /// With the password each time: there was no room for a session when last asked.
    Full(Instant),
    /// With a session's token.
    Session(Session),
}

/// An open session.
#[derive(Clone)]
pub(super) struct Session {
    /// Sent with each request.
    pub(super) token: SecretString,
    /// Where it is ended, if the BMC said.
    pub(super) path: Option<String>,
}

impl Auth {
    /// For want of room, from now on.
    pub(super) fn full() -> Self {
        Self::Full(Instant::now())
    }

    /// Is it time to log in?
    pub(super) fn is_due(&self) -> bool {
        match self {
            Auth::None => true,
            Auth::Full(since) => since.elapsed() > FULL,
            Auth::Basic | Auth::Session(_) => false,
        }
    }
}
