//! Two network namespaces joined by a cable: a server's and its clients'. They go with whoever made them.
//!
//! Programs run under the real-time scheduler in bursts of seconds, each side on CPUs of its own, so that what else the
//! machine does disturbs neither ours nor the peer.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The server's address; the segment is 10.0.0.0/8.
pub const SERVER: &str = "10.0.0.1";
/// The clients' own addresses are these, as many as they want.
pub const CLIENTS: &str = "10.2.0.0/16";
/// The server's interface.
pub const INTERFACE: &str = "s0";

/// The two namespaces.
pub struct Segment {
    server: String,
    client: String,
}

impl Segment {
    /// New ones.
    ///
    /// # Errors
    /// They cannot be made; it takes root.
    pub fn new() -> Result<Self> {
        let name = |side| format!("underlay-bench-{}-{side}", std::process::id());
        let segment = Self { server: name("s"), client: name("c") };
        let Self { server, client } = &segment;
        // Neighbour tables are per machine and small by default; the client side answers for its addresses itself.
        let made = format!(
            "set -e; ip netns add {server}; ip netns add {client}
             ip link add {INTERFACE} netns {server} type veth peer name c0 netns {client}
             for n in {server} {client}; do ip -n $n link set lo up; done
             ip -n {server} address add {SERVER}/8 dev {INTERFACE}; ip -n {server} link set {INTERFACE} up
             ip -n {client} address add 10.0.0.2/8 dev c0; ip -n {client} link set c0 up
             ip -n {client} route add local {CLIENTS} dev lo"
        );
        run(Command::new("sh").args(["-c", &made]))?;
        Ok(segment)
    }

    /// A command on the server's side.
    pub fn serve(&self, program: &str) -> Command {
        burst(&self.server, "0", program)
    }

    /// A command on the clients' side.
    pub fn ask(&self, program: &str) -> Command {
        burst(&self.client, "1", program)
    }

    /// The same, on all CPUs but the server's and as one among others: for what takes longer than a burst may.
    pub fn ask_at_leisure(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.client, program]).stdin(Stdio::null());
        command
    }

    /// A command on the server's side, as one among others.
    pub fn serve_at_leisure(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server, program]).stdin(Stdio::null());
        command
    }

    /// True if something on the server's side listens on this port of `udp` or `tcp`.
    pub fn listens(&self, protocol: &str, port: u16) -> bool {
        let mut ss = Command::new("ip");
        ss.args(["netns", "exec", &self.server, "ss", "--no-header", "--listening", "--numeric"]);
        let output = ss.arg(format!("--{protocol}")).output();
        let (wanted, text) = (format!(":{port}"), output.map(|output| output.stdout).unwrap_or_default());
        String::from_utf8_lossy(&text).split_whitespace().any(|word| word.ends_with(&wanted))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

fn burst(namespace: &str, cpu: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "taskset", "-c", cpu, "chrt", "-r", "1", program]);
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end, and gives what it printed.
///
/// # Errors
/// It fails: then with what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    Ok(text)
}
