//! How long from spawn until the provider has printed its handshake line, as Terraform starts it: with the cookie and a
//! client certificate, so that it makes its own certificate first.

use std::{
    error::Error,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::measure::table::Samples;

/// go-plugin's sign that a host started the program, as Terraform and OpenTofu set it.
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// Milliseconds of each start.
#[derive(Debug, Default)]
pub struct Starts {
    /// Spawn to handshake line.
    pub handshake: Samples,
    /// Spawn to exit of /bin/true.
    pub floor: Samples,
}

pub fn measure(provider: &Path, times: usize) -> Result<Starts, Box<dyn Error>> {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?.cert.pem();
    // The provider is killed at its first line and so leaves its socket.
    let sockets = tempfile::tempdir()?;
    let mut starts = Starts::default();
    for _ in 0..times {
        starts.handshake.push(start(provider, &certificate, sockets.path())?);
        let began = Instant::now();
        Command::new("/bin/true").status()?;
        starts.floor.push(milliseconds(began));
    }
    Ok(starts)
}

fn start(provider: &Path, certificate: &str, sockets: &Path) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    let mut child = Command::new(provider)
        .envs([COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", "5,6"), ("PLUGIN_CLIENT_CERT", certificate)])
        .env("PLUGIN_UNIX_SOCKET_DIR", sockets)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let elapsed = milliseconds(began);
    child.kill()?;
    child.wait()?;
    if line.starts_with("1|6|") { Ok(elapsed) } else { Err(format!("the provider printed {line:?}").into()) }
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
