//! An `underlay serve` in a directory of its own, on free ports of loopback.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{program, until};

/// A running server. Dropping it ends it.
pub struct Server {
    directory: TempDir,
    process: Option<Child>,
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// It does not come up.
    pub fn start() -> Self {
        let directory = TempDir::with_prefix("underlay-").unwrap();
        let mut server = Self { directory, process: None };
        server.resume();
        server
    }

    /// Starts it again on the same data.
    ///
    /// # Panics
    /// It does not come up.
    pub fn resume(&mut self) {
        self.resume_with(&[]);
    }

    /// Starts it again on the same data, with more arguments.
    ///
    /// # Panics
    /// It does not come up.
    pub fn resume_with(&mut self, more: &[&str]) {
        let log = File::create(self.log_file()).unwrap();
        let free = "127.0.0.1:0";
        let process = Command::new(program("underlay"))
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", free, "--boot-listen", free, "--metrics-listen", free])
            .args(more)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        until("the server serves", || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server has ended: {}", self.log());
            self.log().contains("underlay serves")
        });
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }

    /// The directory of its data.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Its unix socket, as an endpoint.
    pub fn socket(&self) -> String {
        format!("unix://{}", self.data().join("api.sock").display())
    }

    /// Its TLS port, as an endpoint.
    ///
    /// # Panics
    /// It does not say.
    pub fn tls(&self) -> String {
        let log = self.log();
        let address = log.split("api=").nth(1).and_then(|rest| rest.split_whitespace().next());
        format!("https://{}", address.expect("the server says where it listens"))
    }

    /// What it has logged since it was last started.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Runs a verb against it, and returns what it printed.
    ///
    /// # Panics
    /// The verb fails.
    pub fn operate(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program("underlay"));
        let output = command.args(arguments).env("UNDERLAY_ENDPOINT", self.socket()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a verb that has to fail, and returns its exit code and what it said about it.
    ///
    /// # Panics
    /// The verb succeeds.
    pub fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(program("underlay"));
        let output = command.args(arguments).env("UNDERLAY_ENDPOINT", self.socket()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What the health endpoint answers.
    ///
    /// # Panics
    /// It does not.
    pub fn health(&self) -> String {
        use std::io::{Read, Write};
        let addresses = std::fs::read_to_string(self.data().join("addresses")).unwrap();
        let address = addresses.lines().find_map(|line| line.strip_prefix("UNDERLAY_METRICS=")).unwrap();
        let mut line = std::net::TcpStream::connect(address).unwrap();
        line.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The names of the objects of a kind, such as `hosts`.
    ///
    /// # Panics
    /// They cannot be read.
    pub fn names(&self, kinds: &str) -> Vec<String> {
        let text = self.operate(&["get", kinds, "-o", "json"]);
        let name = |line: &str| {
            let object: serde_json::Value = serde_json::from_str(line).expect("an object a line");
            object["meta"]["key"]["name"].as_str().map(str::to_owned)
        };
        text.lines().filter_map(name).collect()
    }

    fn log_file(&self) -> PathBuf {
        Path::new(self.directory.path()).join("serve.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
