//! The peers, as their own manuals set them up for the same work. Their programs come out of the distribution's packages
//! (`scripts/peers.sh`) and are started here only.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use super::{
    daemon::Daemon,
    files::Files,
    segment::{INTERFACE, SERVER, Segment},
};

/// A TFTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tftp {
    Hpa,
    Atftpd,
    Dnsmasq,
}

impl Tftp {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hpa => "tftpd-hpa",
            Self::Atftpd => "atftpd",
            Self::Dnsmasq => "dnsmasq",
        }
    }
}

/// Where the peers' programs are.
pub struct Peers {
    root: PathBuf,
}

/// A running peer with its directory.
pub struct Peer {
    pub daemon: Daemon,
    _directory: TempDir,
}

impl Peers {
    /// Of the environment.
    ///
    /// # Errors
    /// It does not say.
    pub fn new() -> Result<Self> {
        let root = std::env::var_os("BENCH_PEERS").context("BENCH_PEERS is not set; run scripts/bench.sh")?;
        Ok(Self { root: root.into() })
    }

    /// The path of a program of theirs.
    pub fn program(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    /// Kea with its leases in a file, one thread: the fastest of its ways.
    pub fn kea(&self, segment: &Segment) -> Result<Peer> {
        let directory = TempDir::with_prefix("underlay-bench-")?;
        let leases = directory.path().join("leases.csv");
        let config = json!({"Dhcp4": {
            "interfaces-config": {"interfaces": [INTERFACE], "dhcp-socket-type": "udp"},
            "lease-database": {"type": "memfile", "persist": true, "name": leases, "lfc-interval": 0},
            "multi-threading": {"enable-multi-threading": false},
            "valid-lifetime": 3600,
            "subnet4": [{
                "subnet": "10.0.0.0/8",
                "pools": [{"pool": "10.16.0.0 - 10.200.255.255"}],
                "interface": INTERFACE,
            }],
            "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": "stdout"}]}],
        }});
        let file = directory.path().join("kea.json");
        fs::write(&file, config.to_string())?;
        let mut command = segment.serve(&self.program("usr/sbin/kea-dhcp4"));
        command.arg("-c").arg(&file);
        command.env("KEA_LOCKFILE_DIR", directory.path()).env("KEA_PIDFILE_DIR", directory.path());
        let daemon =
            Daemon::start(&mut command, &directory.path().join("log"), || segment.listens("udp", 67))?;
        Ok(Peer { daemon, _directory: directory })
    }

    /// A TFTP server for the loaders, with room for thousands of transfers where it can be told so.
    pub fn tftp(&self, which: Tftp, segment: &Segment, files: &Files) -> Result<Peer> {
        let directory = TempDir::with_prefix("underlay-bench-")?;
        let root = files.loaders.display().to_string();
        let address = format!("{SERVER}:69");
        let mut command = match which {
            Tftp::Hpa => segment.serve(&self.program("usr/sbin/in.tftpd")),
            Tftp::Atftpd => segment.serve(&self.program("usr/sbin/atftpd")),
            Tftp::Dnsmasq => segment.serve("dnsmasq"),
        };
        match which {
            Tftp::Hpa => command.args(["-L", "-u", "root", "-B", "65464", "-s", "-a", &address, &root]),
            Tftp::Atftpd => command
                .args(["--daemon", "--no-fork", "--user", "root.root", "--maxthread", "10000"])
                .args(["--bind-address", SERVER, "--logfile"])
                .arg(directory.path().join("atftpd.log"))
                .arg(&root),
            Tftp::Dnsmasq => command
                .args(["-k", "-p0", "-C", "/dev/null", "--enable-tftp", "--bind-interfaces", "--user=root"])
                .args(["--tftp-max=20000", "--tftp-no-fail", "--pid-file="])
                .arg(format!("--tftp-root={root}"))
                .arg(format!("--listen-address={SERVER}")),
        };
        let daemon =
            Daemon::start(&mut command, &directory.path().join("log"), || segment.listens("udp", 69))?;
        Ok(Peer { daemon, _directory: directory })
    }

    /// nginx, one worker, with sendfile and connections that are kept.
    pub fn nginx(&self, segment: &Segment, files: &Files, port: u16) -> Result<Peer> {
        let directory = TempDir::with_prefix("underlay-bench-")?;
        let at = |name: &str| directory.path().join(name).display().to_string();
        let config = format!(
            "daemon off; user root; worker_processes 1; pid {pid}; error_log {log} warn;
             events {{ worker_connections 4096; }}
             http {{
                 access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
                 default_type application/octet-stream;
                 client_body_temp_path {body}; proxy_temp_path {proxy}; fastcgi_temp_path {fastcgi};
                 uwsgi_temp_path {uwsgi}; scgi_temp_path {scgi};
                 server {{ listen {SERVER}:{port}; root {root}; }}
             }}",
            pid = at("pid"),
            log = at("error.log"),
            body = at("body"),
            proxy = at("proxy"),
            fastcgi = at("fastcgi"),
            uwsgi = at("uwsgi"),
            scgi = at("scgi"),
            root = files.root().display(),
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, config)?;
        let mut command = segment.serve(&self.program("usr/sbin/nginx"));
        command.arg("-e").arg(directory.path().join("error.log")).arg("-c").arg(&file);
        let daemon =
            Daemon::start(&mut command, &directory.path().join("log"), || segment.listens("tcp", port))?;
        Ok(Peer { daemon, _directory: directory })
    }
}
