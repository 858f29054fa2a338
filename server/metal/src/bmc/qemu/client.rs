//! QMP, QEMU's control protocol: one command at a time over a unix socket, JSON lines both ways.
//!
//! Every exchange is bounded in time and size. Events are skipped: state is always asked for.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::directory::SOCKET;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest line that is read; QEMU's greeting has 200 bytes.
const LONGEST_LINE: u64 = 256 << 10;
/// How many events may come before an answer.
const MOST_EVENTS: usize = 256;

/// What goes wrong in an exchange.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket does not accept us.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke at {command}")]
    Exchange {
        /// What was asked.
        command: &'static str,
        /// What the socket said.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer to {0} within {secs} s", secs = PATIENCE.as_secs())]
    Silent(&'static str),
    /// Not QMP, or too much of it.
    #[error("the answer to {0} is not QMP")]
    Nonsense(&'static str),
    /// QEMU says no.
    #[error("{command} is refused: {text}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// What QEMU says.
        text: String,
    },
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
    #[serde(rename = "return")]
    answer: Option<Value>,
    error: Option<Refusal>,
    event: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    desc: String,
}

/// A listening control socket in the directory of a machine, in place of any that was there.
pub(super) fn listen(directory: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(directory.join(SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(near(&File::open(directory)?)),
    }
}

/// The socket's path by way of an open descriptor: a socket's path has 108 bytes at most, a directory's more.
fn near(directory: &File) -> PathBuf {
    format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()).into()
}

/// A control connection, past its greeting.
pub(super) struct Qmp {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Qmp {
    /// Connect to the socket in the directory of a machine.
    pub(super) async fn connect(directory: &Path) -> Result<Self, Error> {
        let opened = File::open(directory).map_err(Error::Connect)?;
        let connect = timeout(PATIENCE, UnixStream::connect(near(&opened))).await;
        let (read, writer) =
            connect.map_err(|_| Error::Silent("connect"))?.map_err(Error::Connect)?.into_split();
        drop(opened);
        let mut qmp = Self { reader: BufReader::new(read), writer };
        let greeting =
            timeout(PATIENCE, qmp.next("greeting")).await.map_err(|_| Error::Silent("greeting"))??;
        if greeting.greeting.is_none() {
            return Err(Error::Nonsense("greeting"));
        }
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Ask for `command` and wait for its answer.
    pub(super) async fn execute(&mut self, command: &'static str, arguments: Value) -> Result<Value, Error> {
        timeout(PATIENCE, self.exchange(command, arguments)).await.map_err(|_| Error::Silent(command))?
    }

    async fn exchange(&mut self, command: &'static str, arguments: Value) -> Result<Value, Error> {
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        let written = self.writer.write_all(line.as_bytes()).await;
        written.map_err(|source| Error::Exchange { command, source })?;
        for _ in 0..MOST_EVENTS {
            match self.next(command).await? {
                Message { error: Some(refusal), .. } => {
                    let text = refusal.desc.chars().take(300).collect();
                    return Err(Error::Refused { command, text });
                }
                Message { answer: Some(answer), .. } => return Ok(answer),
                Message { event: Some(_), .. } => {}
                _ => return Err(Error::Nonsense(command)),
            }
        }
        Err(Error::Nonsense(command))
    }

    async fn next(&mut self, command: &'static str) -> Result<Message, Error> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        match read {
            Ok(0) => Err(Error::Exchange { command, source: io::ErrorKind::UnexpectedEof.into() }),
            Ok(_) => serde_json::from_slice(&line).map_err(|_| Error::Nonsense(command)),
            Err(source) => Err(Error::Exchange { command, source }),
        }
    }
}
