//! A server that keeps objects in memory and lets a test say how each Put ends.
//!
//! It keeps the rules that the provider leans on: incarnations, confirmation and adoption, generations, tombstones. It judges
//! a machine's image and `allow_disruption`, and nothing else.

mod service;
mod table;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use underlay_proto::v1 as pb;

pub use self::table::{Settle, Table};

/// The objects, and what was asked for.
#[derive(Debug, Default)]
pub struct World {
    pub hosts: Table<pb::Host>,
    pub networks: Table<pb::Network>,
    pub credentials: Table<pb::Credential>,
    pub images: Table<pb::Image>,
    pub machines: Table<pb::Machine>,
    /// Every machine Put, as it came.
    pub machine_puts: Vec<pb::PutMachineRequest>,
    /// Every credential Put, as it came.
    pub credential_puts: Vec<pb::PutCredentialRequest>,
    /// What the next Preview says instead of its own judgement.
    pub preview: Option<pb::Preview>,
    /// The token that is asked for, if one is.
    pub token: Option<String>,
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    shared: Shared,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// What the services share.
#[derive(Clone)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    batches: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Server {
    pub async fn start() -> Self {
        Self::over("127.0.0.1:0".parse().unwrap(), Arc::default()).await
    }

    async fn over(address: SocketAddr, world: Arc<Mutex<World>>) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let shared =
            Shared { world, changed: watch::Sender::new(0), batches: Arc::default(), stop: stop.clone() };
        let router = service::router(shared.clone());
        let end = stop.clone();
        let task = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            router.serve_with_incoming_shutdown(incoming, end.cancelled_owned()).await.unwrap();
        });
        Self { address, shared, stop, task }
    }

    /// Stops listening; what it knows is kept.
    pub async fn stop(self) -> Stopped {
        self.stop.cancel();
        self.task.await.unwrap();
        Stopped { address: self.address, world: self.shared.world }
    }

    /// Looks at the world, or changes it.
    pub fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let outcome = work(&mut self.shared.world.lock().unwrap());
        self.shared.changed.send_modify(|revision| *revision += 1);
        outcome
    }

    /// How many BatchGet calls were answered.
    pub fn batches(&self) -> usize {
        self.shared.batches.load(Ordering::SeqCst)
    }
}

/// A server that is away.
pub struct Stopped {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
}

impl Stopped {
    /// Starts it again where it was.
    pub async fn start(self) -> Server {
        Server::over(self.address, self.world).await
    }
}

/// Brings an object to where it should be.
pub fn finish<T: table::Thing>(object: &mut T) {
    table::end(object, &Settle::Good);
}
