//! Ctrl-C goes to the whole process group, and the host handles it: it calls StopProvider. A provider that died of it would
//! lose the objects in its hands. A provider whose host is gone ends by itself.

#[cfg(unix)]
pub(super) use unix::{End, ignore_interrupts};

#[cfg(not(unix))]
pub(super) use elsewhere::{End, ignore_interrupts};

#[cfg(unix)]
mod unix {
    //! Signals and parents.

    use std::time::Duration;

    use rustix::process::{Pid, getppid};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::super::Error;

    /// Lets SIGINT pass without effect from now on, for as long as the process lives.
    pub(in super::super) fn ignore_interrupts() -> Result<(), Error> {
        // Once a handler is installed the default, to die, never comes back, even after the stream is dropped.
        listen(SignalKind::interrupt()).map(drop)
    }

    /// What ends the process besides the host's own wish.
    pub(in super::super) struct End {
        terminate: Signal,
        parent: Option<Pid>,
    }

    impl End {
        /// Watches from now on.
        pub(in super::super) fn watch() -> Result<Self, Error> {
            Ok(Self { terminate: listen(SignalKind::terminate())?, parent: getppid() })
        }

        /// Returns when the process is told to end, or when the process that started it is gone.
        pub(in super::super) async fn came(mut self) {
            // The parent-death signal follows the parent's thread, and Go moves between threads: so look.
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            while getppid() == self.parent {
                tokio::select! { _ = self.terminate.recv() => return, _ = tick.tick() => {} }
            }
        }
    }

    fn listen(kind: SignalKind) -> Result<Signal, Error> {
        signal(kind).map_err(|source| Error::System { act: "handle signals", source })
    }
}

#[cfg(not(unix))]
mod elsewhere {
    //! No signals, and no parents to watch.

    use super::super::Error;

    /// Lets Ctrl-C pass without effect from now on.
    pub(in super::super) fn ignore_interrupts() -> Result<(), Error> {
        tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
        Ok(())
    }

    /// What ends the process besides the host's own wish: nothing.
    pub(in super::super) struct End;

    impl End {
        pub(in super::super) fn watch() -> Result<Self, Error> {
            Ok(Self)
        }

        pub(in super::super) async fn came(self) {
            std::future::pending().await
        }
    }
}
