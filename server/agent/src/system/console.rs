//! Log lines for whoever watches the machine's screen or serial line.
//!
//! As PID 1 the lines go to every active console (the kernel's own /dev/console is only the last one named on its
//! command line). They are opened non-blocking and what one does not take is dropped: a serial line that nobody reads
//! must never stop a deployment.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
};

use tracing_subscriber::fmt::{MakeWriter, writer::MakeWriterExt as _};

use super::log::Log;

/// Every active console.
#[derive(Debug)]
pub struct Consoles(Vec<File>);

impl Consoles {
    /// The consoles that /sys names; where that is unreadable, none.
    pub fn open() -> Self {
        let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
        let open = |name: &str| {
            let flags =
                i32::try_from(rustix::fs::OFlags::NONBLOCK.bits() | rustix::fs::OFlags::NOCTTY.bits())
                    .ok()?;
            OpenOptions::new().write(true).custom_flags(flags).open(format!("/dev/{name}")).ok()
        };
        Self(active.split_ascii_whitespace().filter_map(open).collect())
    }

    /// Sends every log line of this process to the consoles, and keeps it for the server.
    pub fn install(self, log: Log) {
        let writer = self.and(move || log.clone());
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(writer)
            .init();
    }
}

/// One line on its way.
#[derive(Debug)]
pub struct Line<'a>(&'a [File]);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for mut console in self.0 {
            let _ = console.write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Consoles {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}
