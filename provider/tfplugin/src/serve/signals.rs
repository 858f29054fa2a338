//! Ctrl-C goes to the whole process group, and the host handles it: it calls StopProvider. A provider that died of it would
//! lose the objects in its hands. A provider whose host is gone ends by itself.

use std::time::Duration;

/// Lets SIGINT pass without effect from now on, for as long as the process lives.
#[cfg(unix)]
pub(super) fn ignore_interrupts() -> Result<(), super::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    // Once a handler is installed the default, to die, never comes back, even after the stream is dropped.
    signal(SignalKind::interrupt())
        .map(drop)
        .map_err(|source| super::Error::System { act: "ignore interrupts", source })
}

/// Lets Ctrl-C pass without effect from now on.
#[cfg(not(unix))]
pub(super) fn ignore_interrupts() -> Result<(), super::Error> {
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    Ok(())
}

/// Returns when the process is told to end, or when the process that started it is gone.
#[cfg(unix)]
pub(super) async fn end() {
    use tokio::signal::unix::{SignalKind, signal};
    let orphaned = async {
        // The parent-death signal follows the parent's thread, and Go moves between threads: so look.
        let parent = rustix::process::getppid();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        while rustix::process::getppid() == parent {
            tick.tick().await;
        }
    };
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! { _ = terminate.recv() => {}, () = orphaned => {} },
        Err(_) => orphaned.await,
    }
}

/// Never returns: this system tells neither.
#[cfg(not(unix))]
pub(super) async fn end() {
    loop {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
}
