//! The real `underlay serve` on a directory of its own: SQLite, and one network in server mode on the segment.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;
use tower::service_fn;
use underlay_proto::v1::{self as pb, network_service_client::NetworkServiceClient};

use super::{
    daemon::Daemon,
    files::Files,
    segment::{INTERFACE, SERVER, Segment},
};

/// Where the boot endpoint listens.
pub const HTTP: u16 = 7480;

/// How it is scheduled.
#[derive(Clone, Copy)]
pub enum Pace {
    /// On one CPU, ahead of everything else.
    Burst,
    /// As one among others, on all CPUs.
    Leisure,
}

/// A server with an empty store.
pub struct Ours {
    pub daemon: Daemon,
    _data: TempDir,
}

impl Ours {
    /// Starts one, and puts the network.
    ///
    /// # Errors
    /// It does not come up, or refuses the network.
    pub fn start(program: &Path, segment: &Segment, files: &Files, pace: Pace) -> Result<Self> {
        let data = TempDir::with_prefix("underlay-bench-")?;
        let directory = data.path().join("data");
        let program = program.to_str().context("a path of UTF-8")?;
        let mut command = match pace {
            Pace::Burst => segment.serve(program),
            Pace::Leisure => segment.serve_at_leisure(program),
        };
        command.arg("serve").arg("--data").arg(&directory);
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command.args(["--boot-listen", &format!("0.0.0.0:{HTTP}"), "--tftp-listen", &format!("{SERVER}:69")]);
        command.arg("--ramdisk").arg(&files.ramdisk).arg("--loaders").arg(&files.loaders);
        let log = data.path().join("log");
        let says = |what: &str| fs::read_to_string(&log).is_ok_and(|text| text.contains(what));
        let mut put = false;
        let socket = directory.join("api.sock");
        let daemon = Daemon::start(&mut command, &log, || says("underlay serves"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while !(says("listening for dhcp") && says("listening for tftp")) {
            if !put {
                runtime.block_on(put_network(&socket))?;
                put = true;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(Self { daemon, _data: data })
    }
}

async fn put_network(socket: &Path) -> Result<()> {
    let path = socket.to_owned();
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await?;
    let dhcp = pb::Dhcp {
        mode: "server".into(),
        range_first: "10.16.0.0".into(),
        range_last: "10.200.255.255".into(),
        interface: INTERFACE.into(),
        lease_seconds: 3600,
    };
    let spec = pb::NetworkSpec { cidr: "10.0.0.0/8".into(), dhcp: Some(dhcp), ..Default::default() };
    let key = pb::Key { site: "default".into(), owner: "bench".into(), name: "boot".into() };
    let request = pb::PutNetworkRequest { key: Some(key), spec: Some(spec), options: None };
    NetworkServiceClient::new(channel).put(request).await?;
    Ok(())
}
