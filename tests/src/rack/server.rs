//! The server as a process in a segment: started, told to stop, killed, started again over the same data.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::Child,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::{GLANCE, PATIENCE, client::Client, parts, segment::Segment};

/// A server of the segment it runs in, on the ports it has by default.
pub struct Server<'a> {
    segment: &'a Segment,
    settings: Vec<String>,
    process: Option<Child>,
}

impl<'a> Server<'a> {
    /// Start one, and wait until it answers. `settings` are more flags of `underlay serve`.
    ///
    /// # Errors
    /// It ends, or does not answer.
    pub async fn start(segment: &'a Segment, settings: &[&str]) -> Result<Self> {
        fs::create_dir_all(segment.directory().join("images")).context("making the image directory")?;
        let settings = settings.iter().map(|word| (*word).to_owned()).collect();
        let mut server = Self { segment, settings, process: None };
        server.start_again().await?;
        Ok(server)
    }

    /// Start it over the data it left.
    ///
    /// # Errors
    /// It runs already, ends, or does not answer.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let log = || -> Result<File> {
            OpenOptions::new().create(true).append(true).open(self.log()).context("opening the server's log")
        };
        let process = self
            .segment
            .command(parts::underlay()?)
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .args(self.ramdisk()?)
            .arg("--image-root")
            .arg(self.images())
            .arg("--qemu-unsafe-cache")
            .args(&self.settings)
            .stdout(log()?)
            .stderr(log()?)
            .spawn()
            .context("starting the server")?;
        self.process = Some(process);
        self.answers().await
    }

    /// The small ramdisk, unless the settings name another.
    fn ramdisk(&self) -> Result<Vec<OsString>> {
        match self.settings.iter().any(|word| word == "--ramdisk") {
            true => Ok(Vec::new()),
            false => Ok(vec!["--ramdisk".into(), parts::ramdisk()?.into()]),
        }
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.segment.directory().join("data")
    }

    /// Its unix socket, as an endpoint.
    pub fn socket(&self) -> String {
        format!("unix://{}", self.data().join("api.sock").display())
    }

    /// Where images may be imported from as `file://`.
    pub fn images(&self) -> PathBuf {
        self.segment.directory().join("images")
    }

    /// What it logs, over all its lives.
    pub fn log(&self) -> PathBuf {
        self.segment.directory().join("server.log")
    }

    /// The API. Each stream and call connects anew, so that it outlives the server's deaths.
    pub fn client(&self) -> Client {
        Client::new(self.data().join("api.sock"))
    }

    /// Kill it, at once and without a word.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        process.kill().context("killing the server")?;
        let status = process.wait().context("waiting for the server's end")?;
        ensure!(status.signal() == Some(Signal::KILL.as_raw()), "the server had ended by itself: {status}");
        Ok(())
    }

    /// Ask it to stop, and wait for its end.
    ///
    /// # Errors
    /// It does not stop, or not with code 0.
    pub async fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).context("a pid")?;
        kill_process(pid, Signal::TERM).context("telling the server to stop")?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = process.try_wait().context("waiting for the server's end")? {
                ensure!(status.success(), "the server stopped with {status}");
                return Ok(());
            }
            sleep(GLANCE).await;
        }
        let _ = process.kill();
        bail!("the server does not stop in {PATIENCE:?}")
    }

    async fn answers(&mut self) -> Result<()> {
        let began = Instant::now();
        let client = self.client();
        loop {
            let Err(error) = client.info().await else { return Ok(()) };
            let process = self.process.as_mut().context("the server does not run")?;
            if let Some(status) = process.try_wait().context("asking for the server's state")? {
                bail!("the server ended with {status}; its log ends:\n{}", self.last_words());
            }
            if began.elapsed() > PATIENCE {
                bail!("the server does not answer in {PATIENCE:?}: {error:#}\n{}", self.last_words());
            }
            sleep(GLANCE).await;
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() || std::env::var_os("KEEP").is_some() {
            eprintln!("the server's log ends:\n{}", self.last_words());
        }
    }
}
