//! Says so when somebody sets the wall clock of a server that runs. The server goes on by its own time, which that does
//! not touch; what it shows is dated by it until it is started again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use underlay_core::clock;

/// How often the two are compared.
const GLANCE: Duration = Duration::from_secs(30);
/// NTP may pull that far in steps; nobody wants to read of it.
const TOLERATED: Duration = Duration::from_secs(60);

/// Compare the clocks until cancelled.
pub async fn watch(cancel: CancellationToken) -> anyhow::Result<()> {
    let mut told = clock::wall_is_ahead();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = tokio::time::sleep(GLANCE) => {}
        }
        let ahead = clock::wall_is_ahead();
        if (ahead - told).unsigned_abs() > TOLERATED {
            tracing::warn!(
                wall_is_ahead_s = ahead.as_secs(),
                "the wall clock was set; deadlines are not touched by that, and times are shown as before until a restart"
            );
            told = ahead;
        }
    }
}
