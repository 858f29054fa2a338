//! The agent that the boot script starts on a machine: believes the server whose CA the command line names, redeems its
//! token, takes orders over mutual TLS, writes images to the machine's disks, and leaves when it is told to.
//!
//! - [`command_line`]: what the boot script asked for; [`trust`]: which server to believe
//! - [`session`]: the line home; [`discover`]: where nobody has enrolled the machine
//! - [`deploy`]: one image, from order to report; `wipe`: disks made blank
//!
//! It speaks `underlay.v1.AgentService` as the real agent does and shares no code with it.

pub mod command_line;
pub mod deploy;
mod discover;
pub mod session;
pub mod trust;
mod wipe;

use std::time::Duration;

use command_line::{Mode, Settings};

use crate::{boot::http::Nic, machine::Life};

/// How long an agent that cannot go on keeps its message on the screen before its machine restarts.
pub const READING_TIME: Duration = Duration::from_secs(60);
/// Between two tries to reach the server: the first and the longest.
const PACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How an agent left its machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// It restarted it.
    Reboot,
    /// It switched it off.
    PowerOff,
    /// The machine hangs.
    Died(String),
}

/// The agent cannot do what it is here for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line.
    #[error("the kernel command line cannot be used")]
    Settings(#[source] command_line::Error),
    /// The server.
    #[error("the server is not to be believed")]
    Trust(#[source] trust::Error),
    /// The key.
    #[error("a key for this boot cannot be made")]
    Key(#[source] rcgen::Error),
}

/// Run until the machine is left.
///
/// # Errors
/// It cannot begin; the machine restarts after a while.
pub async fn run(life: &Life, line: &str) -> Result<Left, Error> {
    let settings = Settings::parse(line).map_err(Error::Settings)?;
    let mut pace = Pace::default();
    let trust = loop {
        match trust::Trust::fetch(&Nic::of(&life.rack, &life.machine), &settings).await {
            Ok(trust) => break trust,
            Err(trust::Error::Fetch(_)) => pace.wait(life).await,
            Err(error) => return Err(Error::Trust(error)),
        }
    };
    match &settings.mode {
        Mode::Discover => discover::run(life, &settings, &trust).await,
        Mode::Deploy { token } => session::run(life, &settings, &trust, token).await,
    }
}

/// How long to wait before the server is knocked at again.
#[derive(Debug)]
struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(PACE.0)
    }
}

impl Pace {
    async fn wait(&mut self, life: &Life) {
        life.rack.pauses(self.0).await;
        self.0 = (self.0 * 2).min(PACE.1);
    }
}
