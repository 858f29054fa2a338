//! A QEMU host in a directory of its own, stopped and removed when dropped.

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, getsid, kill_process};
use underlay_core::{
    Bytes, Incarnation, Key, Kind, Name, Object, ObjectId, Standing,
    host::{self, Boot, BootMethod, Driver, Firmware, Host, Identity, OnDestroy},
    object::Meta,
};

use crate::bmc::qemu::{Accelerator, Cache, Config, Ports, Qemu, process::Process, quirks};

/// What the disks of these tests write to the serial port when they boot.
pub(super) const FROM_DISK: &str = "UNDERLAY-DISK-BOOT";

pub(super) struct Bench {
    /// Its path is longer than a socket's may be.
    _root: tempfile::TempDir,
    pub(super) config: Config,
    pub(super) wanted: host::Qemu,
    pub(super) identity: Identity,
    firmware: Firmware,
    host: ObjectId,
    ports: Ports,
}

impl Bench {
    /// `None`, with a message, where there is no QEMU.
    pub(super) fn new(firmware: Firmware) -> Option<Self> {
        let there = Command::new("qemu-system-x86_64").arg("--version").output().is_ok();
        let there = there && (firmware == Firmware::Bios || quirks::find_ovmf().is_some());
        if !there {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has QEMU and OVMF");
            eprintln!("skipped: no QEMU or no OVMF; scripts/setup.sh metal installs them");
            return None;
        }
        let root = tempfile::tempdir().expect("a directory");
        let data = root.path().join("a,directory with a long name".repeat(5));
        let boot_url = "http://10.0.2.2:9/nobody".to_owned();
        Some(Self {
            _root: root,
            config: Config {
                data,
                program: "qemu-system-x86_64".into(),
                boot_url,
                ovmf: None,
                accelerator: Accelerator::Tcg,
                cache: Cache::Unsafe,
            },
            wanted: host::Qemu {
                cpus: 1,
                memory: Bytes(256 << 20),
                disks: vec![Bytes(64 << 20)],
                forward: vec![22],
                tap: None,
            },
            identity: Identity::default(),
            firmware,
            host: ObjectId::new(),
            ports: Ports::default(),
        })
    }

    pub(super) fn driver(&self) -> Qemu {
        Qemu::new(self.config.clone(), self.ports.clone(), &self.host(), self.wanted.clone())
    }

    /// The same, for another host of the same server.
    pub(super) fn neighbour(&self) -> (ObjectId, Qemu) {
        let mut host = self.host();
        host.meta.id = ObjectId::new();
        let driver = Qemu::new(self.config.clone(), self.ports.clone(), &host, self.wanted.clone());
        (host.meta.id, driver)
    }

    fn host(&self) -> Object<Host> {
        let now = Timestamp::UNIX_EPOCH;
        Object {
            meta: Meta {
                kind: Kind::Host,
                id: self.host,
                key: Key {
                    site: Name::default(),
                    owner: Name::default(),
                    name: "lab-1".parse().expect("a name"),
                },
                incarnation: Incarnation::new(),
                confirmed: false,
                generation: 1,
                observed_generation: 0,
                revision: 1,
                created_at: now,
                deleted_at: None,
                purged_at: None,
            },
            spec: host::Spec {
                pool: "lab".into(),
                labels: Default::default(),
                identity: self.identity.clone(),
                boot: Boot { mode: self.firmware, methods: vec![BootMethod::Pxe], address: None },
                driver: Driver::Qemu(self.wanted.clone()),
                protected: false,
                on_destroy: OnDestroy::PowerOff,
            },
            state: host::State::default(),
            status: host::Status::default(),
            progress: Standing {
                since: now,
                evidence_at: now,
                waiting_for: None,
                amount: None,
                next_run_at: None,
                failure: None,
                held: None,
                decided_at: String::new(),
                attempts: 0,
            },
        }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.config.data.join("qemu").join(self.host.to_string())
    }

    pub(super) fn pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.directory().join("qemu.pid")).expect("a pid file");
        text.trim().parse().expect("a pid")
    }

    pub(super) fn session_of(&self, pid: i32) -> i32 {
        getsid(Pid::from_raw(pid)).expect("a session").as_raw_pid()
    }

    fn process(&self) -> Option<Process> {
        Process::find(&self.directory().join("qemu.pid")).expect("a readable pid file")
    }

    pub(super) async fn kill(&self) {
        let process = self.process().expect("it runs");
        process.kill().expect("killed");
        assert!(process.ends_within(Duration::from_secs(10)).await.expect("watched"));
    }

    /// It is there and does not answer.
    pub(super) fn freeze(&self) {
        let process = self.process().expect("it runs");
        kill_process(Pid::from_raw(process.pid()).expect("a pid"), Signal::STOP).expect("stopped");
    }

    /// What a server leaves behind that dies between starting QEMU and letting it go.
    pub(super) fn start_stopped(&self) {
        let script = std::fs::read_to_string(self.directory().join("start.sh")).expect("a script");
        let stopped = script.trim_end().to_owned() + " -S\n";
        let status = Command::new("sh")
            .args(["-c", &stopped])
            .current_dir(self.directory())
            .env("PWD", self.directory())
            .status();
        assert!(status.expect("sh runs").success());
    }

    /// Start it by hand, as an operator does while the server is stopped.
    pub(super) fn start_by_hand(&self) {
        assert!(Command::new(self.directory().join("start.sh")).status().expect("it runs").success());
    }

    /// Wait for `marks`, in this order, on the guest's serial port; returns how long each took.
    pub(super) async fn console_shows(&self, marks: &[&str], patience: Duration) -> Vec<Duration> {
        let began = tokio::time::Instant::now();
        let mut times = Vec::new();
        loop {
            let log = std::fs::read(self.directory().join("console.log")).unwrap_or_default();
            let text = String::from_utf8_lossy(&log);
            let mut rest = &*text;
            let mut seen = 0;
            for mark in marks {
                let Some(at) = rest.find(mark) else { break };
                rest = &rest[at + mark.len()..];
                seen += 1;
            }
            while times.len() < seen {
                times.push(began.elapsed());
            }
            if seen == marks.len() {
                return times;
            }
            assert!(
                began.elapsed() < patience,
                "waiting for {:?}; the console shows:\n{text}",
                &marks[seen..]
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Ok(hosts) = std::fs::read_dir(self.config.data.join("qemu")) else { return };
        for host in hosts.flatten() {
            if let Ok(Some(process)) = Process::find(&host.path().join("qemu.pid")) {
                let _ = process.kill();
            }
        }
    }
}

/// What was fetched from an HTTP server on loopback, in order.
#[derive(Clone, Default)]
pub(super) struct Fetched(Arc<Mutex<Vec<String>>>);

impl Fetched {
    pub(super) fn add(&self, path: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
