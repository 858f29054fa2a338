//! The operator: puts hosts and machines, and waits on Watch until all are as they should be.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, sync::mpsc};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;
use underlay_proto::v1::{
    self as pb, host_service_client::HostServiceClient, machine_service_client::MachineServiceClient,
    pool_service_client::PoolServiceClient,
};

use crate::Watching;

/// Calls under way at a time.
const AT_ONCE: usize = 50;
/// Streams of one connection, which HTTP/2 bounds.
const STREAMS: usize = 100;
/// Nothing gets ready for so long: then nothing will.
const PATIENCE: Duration = Duration::from_secs(180);

/// A way to the server.
#[derive(Clone)]
pub struct Operator {
    socket: PathBuf,
    channel: Channel,
}

/// An object that came to rest: its name, and its failure where it has one.
type Rested = (String, Option<String>);

impl Operator {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(socket: PathBuf) -> Result<Self> {
        let channel = channel(socket.clone()).await?;
        Ok(Self { socket, channel })
    }

    /// Puts the pool.
    ///
    /// # Errors
    /// It is refused.
    pub async fn put_pool(&self, name: &str) -> Result<()> {
        let request =
            pb::PutPoolRequest { key: key(name), spec: Some(pb::PoolSpec::default()), options: None };
        PoolServiceClient::new(self.channel.clone()).put(request).await?;
        Ok(())
    }

    /// Enrols hosts, and waits until all are available.
    ///
    /// # Errors
    /// One is refused or fails, or nothing happens any more.
    pub async fn enrol(&self, hosts: Vec<(String, pb::HostSpec)>) -> Result<()> {
        let (sender, rested) = mpsc::channel(1024);
        let names: BTreeSet<String> = hosts.iter().map(|(name, _)| name.clone()).collect();
        let mut client = HostServiceClient::new(self.channel.clone());
        let mut events = client.watch(pb::WatchRequest::default()).await?.into_inner();
        let watching = tokio::spawn(async move {
            while let Some(event) = events.message().await? {
                let Some(pb::host_event::Event::Host(host)) = event.event else { continue };
                tell(&sender, host.meta, host.standing, "available").await;
            }
            Ok::<_, tonic::Status>(())
        });
        let putting = stream::iter(hosts)
            .map(|(name, spec)| async move {
                let mut client = HostServiceClient::new(self.channel.clone());
                let request = pb::PutHostRequest { key: key(&name), spec: Some(spec), options: None };
                client.put(request).await.map(drop).with_context(|| format!("putting host {name}"))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>();
        tokio::try_join!(putting, all(names, rested))?;
        watching.abort();
        Ok(())
    }

    /// Claims machines, and waits until all are active.
    ///
    /// # Errors
    /// One is refused or fails, or nothing happens any more.
    pub async fn deploy(&self, machines: Vec<(String, pb::MachineSpec)>, watching: Watching) -> Result<()> {
        let (sender, rested) = mpsc::channel(1024);
        let names: BTreeSet<String> = machines.iter().map(|(name, _)| name.clone()).collect();
        let mut tasks = tokio::task::JoinSet::new();
        if watching == Watching::Fleet {
            tasks.spawn(watch(self.channel.clone(), None, sender.clone()));
        }
        for some in machines.chunks(STREAMS * 10) {
            let putting = stream::iter(some.to_vec())
                .map(|(name, spec)| async move {
                    let mut client = MachineServiceClient::new(self.channel.clone());
                    let request =
                        pb::PutMachineRequest { key: key(&name), spec: Some(spec), ..Default::default() };
                    client.put(request).await.map(drop).with_context(|| format!("putting machine {name}"))
                })
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>();
            putting.await?;
            if watching == Watching::Each {
                for some in some.chunks(STREAMS) {
                    let channel = channel(self.socket.clone()).await?;
                    for (name, _) in some {
                        tasks.spawn(watch(channel.clone(), Some(name.clone()), sender.clone()));
                    }
                }
            }
        }
        drop(sender);
        all(names, rested).await?;
        tasks.shutdown().await;
        Ok(())
    }
}

/// Tells of machines that rest, of all or of the one of that name, until there is nobody to tell.
async fn watch(channel: Channel, name: Option<String>, sender: mpsc::Sender<Rested>) -> Result<()> {
    let selector = name.map(|name| pb::Selector { by: key(&name).map(pb::selector::By::Key) });
    let mut client = MachineServiceClient::new(channel);
    let request = pb::WatchRequest { selector, filter: None, after_revision: 0 };
    let mut events = client.watch(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let Some(pb::machine_event::Event::Machine(machine)) = event.event else { continue };
        tell(&sender, machine.meta, machine.standing, "ready").await;
    }
    Ok(())
}

async fn tell(
    sender: &mpsc::Sender<Rested>,
    meta: Option<pb::Meta>,
    standing: Option<pb::Standing>,
    good: &str,
) {
    let (Some(meta), Some(standing)) = (meta, standing) else { return };
    let name = meta.key.map(|key| key.name).unwrap_or_default();
    let is_good = standing.phase == good && meta.observed_generation >= meta.generation;
    if is_good || standing.phase == "failed" || standing.phase == "quarantined" {
        let failure = standing.failure.map(|failure| failure.why).filter(|_| !is_good);
        // Whoever waited may have what it waited for.
        let _ = sender.send((name, failure)).await;
    }
}

/// Until all of those names were told of.
async fn all(mut names: BTreeSet<String>, mut rested: mpsc::Receiver<Rested>) -> Result<()> {
    let verbose = std::env::var_os("BENCH_VERBOSE").is_some();
    while !names.is_empty() {
        let told = tokio::time::timeout(PATIENCE, rested.recv()).await;
        let example = names.first().cloned().unwrap_or_default();
        let told = told.with_context(|| {
            format!("{} are not ready and nothing happens; one of them is {example}", names.len())
        })?;
        let (name, failure) = told.context("the server ended the watch")?;
        if let Some(why) = failure {
            bail!("{name} failed: {why}");
        }
        if names.remove(&name) && verbose && names.len().is_multiple_of(100) {
            eprintln!("{} to go", names.len());
        }
    }
    Ok(())
}

async fn channel(socket: PathBuf) -> Result<Channel> {
    let connector = service_fn(move |_: Uri| {
        let path = socket.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connector).await.context("connecting to the server's socket")
}

fn key(name: &str) -> Option<pb::Key> {
    Some(pb::Key { site: String::new(), owner: String::new(), name: name.into() })
}
