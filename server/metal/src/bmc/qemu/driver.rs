//! The wishes of a QEMU host.
//!
//! A process that is there but has not run an instruction yet (`prelaunch`) is one whose start was cut short; the next
//! wish for power ends it and starts afresh. The request for one network boot is spent when the machine is let go.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use underlay_core::{
    Object, ObjectId,
    bmc::{self, Bmc, Observation, Power, Target},
    host::{self, Facts, Firmware, Host},
};

use super::{
    Config, Error, Ports,
    client::{self, Qmp},
    command::{self, Face, Machine},
    directory::Directory,
    process::Process,
    quirks,
    record::Record,
};

/// How long a process may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The driver of one QEMU host.
pub struct Qemu(Arc<Inner>);

struct Inner {
    config: Config,
    ports: Ports,
    host: ObjectId,
    name: String,
    boot: host::Boot,
    wanted: host::Qemu,
    face: Face,
}

/// What a process is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Created, nothing executed.
    Prelaunch,
    /// Halted by QEMU: its disk's file system is full, say.
    Paused,
    Running,
}

impl Qemu {
    /// The driver of `host`, run as `wanted`; nothing is touched yet. Drivers of one server share `ports`.
    pub fn new(config: Config, ports: Ports, host: &Object<Host>, wanted: host::Qemu) -> Self {
        Self(Arc::new(Inner {
            config,
            ports,
            host: host.meta.id,
            name: host.meta.key.name.to_string(),
            boot: host.spec.boot.clone(),
            face: Face::new(host.meta.id, &host.spec.identity),
            wanted,
        }))
    }

    async fn start(&self) -> Result<(), Error> {
        let inner = self.0.clone();
        let (arguments, target) = blocking(move || inner.prepare()).await?;
        let directory = self.0.directory()?;
        let mut child = launch(&self.0.config.program, &arguments, &directory)?;
        let mut qmp = match self.connect(&directory).await {
            Ok(qmp) => qmp,
            Err(error) => return Err(self.explain(error, &mut child, &directory).await),
        };
        if target != Target::Disk {
            let nic = json!({ "path": command::NIC, "property": "bootindex", "value": quirks::NOT_BOOTED });
            qmp.execute("qom-set", nic).await?;
        }
        let inner = self.0.clone();
        blocking(move || {
            inner.change(|record| {
                record.next_boot = Target::Disk;
                record.boots += 1;
            })
        })
        .await?;
        qmp.execute("cont", json!({})).await?;
        tracing::info!(host = %self.0.host, ?target, "started a qemu machine");
        Ok(())
    }

    /// Why a process that was just launched does not answer: its own words where it has gone.
    async fn explain(&self, error: Error, child: &mut Child, directory: &Directory) -> Error {
        match timeout(PATIENCE, child.wait()).await {
            Ok(_) => {
                let said = std::fs::read(directory.complaints()).unwrap_or_default();
                Error::Start(String::from_utf8_lossy(&said).trim().chars().take(400).collect())
            }
            Err(_) => error,
        }
    }

    async fn stop(&self, process: Process) -> Result<(), Error> {
        let directory = self.0.directory()?;
        match self.connect(&directory).await {
            Ok(mut qmp) => {
                if let Err(error) = qmp.execute("quit", json!({})).await {
                    tracing::debug!(%error, "quit was not acknowledged");
                }
            }
            Err(error @ Error::Foreign { .. }) => return Err(error),
            Err(error) => tracing::debug!(%error, "a machine to be stopped does not answer"),
        }
        if process.ends_within(PATIENCE).await? {
            return Ok(());
        }
        tracing::warn!(host = %self.0.host, pid = process.pid(), "a qemu machine does not quit and is killed");
        process.kill()?;
        if process.ends_within(PATIENCE).await? { Ok(()) } else { Err(Error::Undead(process.pid())) }
    }

    async fn connect(&self, directory: &Directory) -> Result<Qmp, Error> {
        let mut qmp = Qmp::connect(directory.path()).await?;
        let answer = qmp.execute("query-name", json!({})).await?;
        let name = answer.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        if name == command::name(self.0.host) {
            Ok(qmp)
        } else {
            let name = name.chars().take(80).collect();
            Err(Error::Foreign { path: directory.path().to_owned(), name })
        }
    }

    async fn phase(&self) -> Result<Phase, Error> {
        let mut qmp = self.connect(&self.0.directory()?).await?;
        let answer = qmp.execute("query-status", json!({})).await?;
        Ok(match answer.get("status").and_then(|status| status.as_str()) {
            Some("prelaunch") => Phase::Prelaunch,
            Some("paused" | "io-error") => Phase::Paused,
            _ => Phase::Running,
        })
    }

    fn process(&self) -> Result<Option<Process>, Error> {
        Process::find(&self.0.directory()?.pid_file())
    }

    async fn power_on(&self) -> Result<(), Error> {
        if let Some(process) = self.process()? {
            match self.phase().await? {
                Phase::Running => return Ok(()),
                Phase::Paused => {
                    let mut qmp = self.connect(&self.0.directory()?).await?;
                    qmp.execute("cont", json!({})).await?;
                    return Ok(());
                }
                Phase::Prelaunch => self.stop(process).await?,
            }
        }
        self.start().await
    }

    async fn power_off(&self) -> Result<(), Error> {
        match self.process()? {
            Some(process) => self.stop(process).await,
            None => Ok(()),
        }
    }

    async fn look(&self) -> Result<Observation, Error> {
        let power = match self.process()? {
            None => Power::Off,
            Some(_) => match self.phase().await? {
                Phase::Prelaunch => Power::Unknown,
                Phase::Paused | Phase::Running => Power::On,
            },
        };
        let inner = self.0.clone();
        let record = blocking(move || Record::load(inner.directory()?.path())).await?;
        let forward = |(guest, port): (&u16, &u16)| (guest.to_string(), format!("127.0.0.1:{port}"));
        Ok(Observation {
            power,
            next_boot: Some(record.next_boot),
            serial: Some(self.0.face.serial.clone()),
            uuid: Some(self.0.face.uuid.to_string()),
            macs: vec![self.0.face.mac],
            forwards: record.ports.iter().map(forward).collect(),
            boots: Some(record.boots),
            certificate: None,
            // The spec says it all.
            facts: Facts::default(),
        })
    }

    fn failed(&self, wish: &str, error: Error) -> bmc::Error {
        match error {
            Error::Control(source) => bmc::Error::Unreachable {
                address: format!("the QEMU machine of host {}", self.0.name),
                source: Some(Box::new(source)),
            },
            other => other.during(format!("{wish} QEMU host {}", self.0.name)),
        }
    }
}

impl Inner {
    fn directory(&self) -> Result<Directory, Error> {
        Directory::new(&self.config.data, self.host)
    }

    /// Everything a start needs: files, ports, the command line.
    fn prepare(&self) -> Result<(Vec<String>, Target), Error> {
        let directory = self.directory()?;
        directory.create()?;
        directory.ensure_disks(&self.wanted.disks)?;
        directory.rotate_console()?;
        let ovmf = match self.boot.mode {
            Firmware::Uefi => self.config.ovmf.clone().or_else(quirks::find_ovmf),
            Firmware::Bios => None,
        };
        if let Some(ovmf) = &ovmf {
            directory.ensure_vars(ovmf)?;
        }
        let mut record = Record::load(directory.path())?;
        let forward = if self.wanted.tap.is_some() { &[][..] } else { &self.wanted.forward };
        self.ports.settle(&mut record, forward, directory.all_hosts(), directory.path())?;
        let machine = Machine {
            config: &self.config,
            host: self.host,
            face: &self.face,
            boot: &self.boot,
            wanted: &self.wanted,
            directory: &directory,
            ovmf: ovmf.as_ref(),
            ports: &record.ports,
        };
        directory.write_start(&self.config.program, &machine.by_hand()?)?;
        Ok((machine.stopped(record.next_boot)?, record.next_boot))
    }

    fn change(&self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        let directory = self.directory()?;
        directory.create()?;
        let before = Record::load(directory.path())?;
        let mut after = before.clone();
        change(&mut after);
        if after == before { Ok(()) } else { after.save(directory.path()) }
    }
}

#[async_trait]
impl Bmc for Qemu {
    async fn observe(&self) -> Result<Observation, bmc::Error> {
        self.look().await.map_err(|error| self.failed("look at", error))
    }

    async fn ensure_power(&self, power: Power) -> Result<(), bmc::Error> {
        match power {
            Power::On => self.power_on().await.map_err(|error| self.failed("start", error)),
            Power::Off => self.power_off().await.map_err(|error| self.failed("stop", error)),
            Power::Unknown => Err(bmc::Error::Invalid("a host is switched on or off, nothing else".into())),
        }
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), bmc::Error> {
        if target == Target::MediaOnce {
            let (address, wish) = (self.0.host.to_string(), "start from a virtual CD".into());
            return Err(bmc::Error::Unsupported { address, wish, why: "a QEMU host has none".into() });
        }
        let inner = self.0.clone();
        let kept = blocking(move || inner.change(|record| record.next_boot = target)).await;
        kept.map_err(|error| self.failed("set the next boot of", error))
    }

    async fn serial(&self) -> Result<Option<String>, bmc::Error> {
        let inner = self.0.clone();
        let read = blocking(move || inner.directory()?.console_end(bmc::SERIAL)).await;
        read.map_err(|error| self.failed("read the serial port of", error))
    }

    async fn forget(&self) -> Result<(), bmc::Error> {
        self.power_off().await.map_err(|error| self.failed("stop", error))?;
        let inner = self.0.clone();
        let removed = blocking(move || inner.directory()?.remove()).await;
        removed.map_err(|error| self.failed("remove the files of", error))
    }
}

/// A process in a session of its own that shares no descriptor with this one and outlives it.
fn launch(program: &Path, arguments: &[String], directory: &Directory) -> Result<Child, Error> {
    let program = find(program)?;
    let unwritten = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Write { path, source }
    };
    let complaints = File::create(directory.complaints()).map_err(unwritten(&directory.complaints()))?;
    let control = client::listen(directory.path()).map_err(unwritten(directory.path()))?;
    Command::new("setsid")
        .arg(&program)
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::from(OwnedFd::from(control)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(complaints))
        .spawn()
        .map_err(|source| Error::Run { program, source })
}

/// Where a program is; a bare name is looked up in `PATH`.
fn find(program: &Path) -> Result<PathBuf, Error> {
    let missing = || Error::Run { program: program.to_owned(), source: io::ErrorKind::NotFound.into() };
    if program.components().count() > 1 {
        return if program.is_file() { Ok(program.to_owned()) } else { Err(missing()) };
    }
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join(program)).find(|path| path.is_file());
    found.ok_or_else(missing)
}

/// File work, off the async threads. It runs to its end even when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Start("the server is stopping".into())),
    }
}
