//! A standalone Ironic, as others wrote it: API and conductor in one process, on a unix socket in a directory of its own,
//! with a database of its own. `scripts/setup.sh ironic` installs it.
//!
//! Ironic pushes nothing, so whoever waits for it asks again; once for all nodes and in no hurry, because asking is what
//! keeps it from working.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{sha256, until};

const REQUIREMENTS: &[u8] = include_bytes!("../../scripts/peers/ironic/requirements.txt");
const SETTINGS: &str = include_str!("../../scripts/peers/ironic/ironic.conf");
/// The API of the release that is installed.
const VERSION: &str = "1.90";
/// Between two looks at all nodes.
const PAUSE: Duration = Duration::from_millis(250);

/// A running Ironic. Dropping it ends it.
pub struct Ironic {
    directory: TempDir,
    process: Child,
}

impl Ironic {
    /// Where it is installed, if it is.
    pub fn installed() -> Option<PathBuf> {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        // As `digest` of scripts/cache.sh has it.
        let digest = sha256(REQUIREMENTS);
        let venv = cache.join("underlay/venv").join(format!("ironic-{}", digest.get(..12)?));
        venv.exists().then_some(venv)
    }

    /// Starts the one that is installed in `venv`.
    ///
    /// # Panics
    /// It does not come up.
    pub fn start(venv: &Path) -> Self {
        let directory = TempDir::with_prefix("underlay-ironic-").unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::copy(venv.join("empty.sqlite"), path("ironic.sqlite")).unwrap();
        let connection = format!("sqlite:///{}", path("ironic.sqlite").display());
        let settings = SETTINGS
            .replace("@DIR@", &directory.path().display().to_string())
            .replace("@CONNECTION@", &connection);
        std::fs::write(path("ironic.conf"), settings).unwrap();
        let log = File::create(path("out.log")).unwrap();
        let process = Command::new(venv.join("bin/python"))
            .arg(venv.join("bin/ironic"))
            .arg("--config-file")
            .arg(path("ironic.conf"))
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            // Its worker is a process of its own, and outlives it.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut this = Self { directory, process };
        until("Ironic serves its redfish hardware type", || {
            let ended = this.process.try_wait().unwrap();
            assert!(ended.is_none(), "Ironic has ended: {}", this.log());
            this.ask("GET", "/v1/drivers/redfish", &Value::Null).is_ok_and(|(status, _)| status == 200)
        });
        this
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        read("out.log") + &read("ironic.log")
    }

    /// Reads a resource.
    ///
    /// # Panics
    /// It is refused.
    pub fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null)
    }

    /// Sends a request, and returns what was answered.
    ///
    /// # Panics
    /// It is refused.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}\n{}", self.log());
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// Waits until it is so of every node.
    ///
    /// # Panics
    /// A node has an error, or it takes longer than `patience`.
    pub fn when(&self, what: &str, patience: Duration, is: impl Fn(&Value) -> bool) {
        let end = Instant::now() + patience;
        loop {
            let fields = "name,provision_state,power_state,target_power_state,reservation,last_error";
            let list = self.get(&format!("/v1/nodes?fields={fields}"));
            let nodes = list["nodes"].as_array().unwrap();
            for node in nodes {
                assert!(node["last_error"].is_null(), "until {what}: {node:#}\n{}", self.log());
            }
            // One that is reserved is being worked on, whatever it shows.
            if nodes.iter().all(|node| node["reservation"].is_null() && is(node)) {
                return;
            }
            assert!(Instant::now() < end, "waited in vain until {what}: {list:#}\n{}", self.log());
            std::thread::park_timeout(PAUSE);
        }
    }

    /// A request of HTTP/1.0, which ends with the connection.
    fn ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, String)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = UnixStream::connect(self.directory.path().join("api.sock"))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: ironic\r\nX-OpenStack-Ironic-API-Version: {VERSION}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok((status, body.to_owned()))
    }
}

impl Drop for Ironic {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        self.process.wait().ok();
    }
}
