//! A small server for tests: the agent service over TLS and the boot endpoint over HTTP, in this process, on ports of
//! the kernel's choice. It gives the orders it is told to give and keeps all it hears.

#![allow(dead_code, reason = "each test program uses a part of it")]

mod http;
mod service;
mod tls;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{broadcast, watch},
};
use underlay_proto::v1::{self, order, report};

pub use tls::Authority;

/// The token the rack takes.
pub const TOKEN: &str = "canary-token-5b1d";

/// What the rack was told, with the time.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A token was redeemed.
    Redeemed,
    /// An unknown machine reported.
    Discovered(Box<v1::DiscoverRequest>),
    /// A session began.
    Hello(Box<v1::Hello>),
    /// A report came.
    Report(report::Stage),
    /// A certificate was given to an agent that lives on a system.
    Adopted,
    /// It said what it is.
    Resident(Box<v1::ResidentReport>),
}

/// What the rack's two servers share.
pub struct Shared {
    /// Served by path.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Given after every hello.
    pub order: order::Task,
    /// Everything heard, in order.
    pub heard: Mutex<Vec<(Instant, Heard)>>,
    /// The same as it comes.
    pub news: broadcast::Sender<Heard>,
    /// Who signs.
    pub authority: Authority,
    /// The epoch given out.
    pub epoch: i64,
    /// While this holds, half of every answer with image data is held back.
    pub stalled: watch::Sender<bool>,
    /// An epoch to put into an order of its own, before the real one.
    pub foreign_epoch: Option<i64>,
    /// Does nobody live anywhere any more?
    pub forgotten: watch::Sender<bool>,
}

/// The running servers; they end when it is dropped.
pub struct Rack {
    /// Where the boot endpoint is.
    pub http: SocketAddr,
    /// Where the agent service is.
    pub api: SocketAddr,
    /// What they share.
    pub shared: Arc<Shared>,
    /// The servers' own, so that ending it ends every task and connection of theirs.
    runtime: Option<Runtime>,
}

impl Shared {
    /// Serves `blobs` and gives `order`.
    pub fn new(mut blobs: BTreeMap<String, Vec<u8>>, order: order::Task) -> Arc<Self> {
        let authority = Authority::new();
        blobs.insert("/ca.der".into(), authority.der());
        let (news, _) = broadcast::channel(4096);
        Arc::new(Self {
            blobs,
            order,
            heard: Mutex::default(),
            news,
            authority,
            epoch: 3,
            stalled: watch::Sender::new(false),
            foreign_epoch: None,
            forgotten: watch::Sender::new(false),
        })
    }

    fn hear(&self, heard: Heard) {
        self.heard.lock().unwrap().push((Instant::now(), heard.clone()));
        let _ = self.news.send(heard);
    }
}

impl Rack {
    /// Starts both servers.
    pub async fn start(shared: Arc<Shared>) -> Self {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        Self::start_at(shared, any, any).await
    }

    /// Starts both at addresses they had before.
    pub async fn start_at(shared: Arc<Shared>, http: SocketAddr, api: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let both = Arc::clone(&shared);
        let started = runtime.spawn(async move {
            (http::serve(Arc::clone(&both), http).await, service::serve(both, api).await)
        });
        let (http, api) = started.await.unwrap();
        Self { http, api, shared, runtime: Some(runtime) }
    }

    /// Ends both servers and every connection, as a kill would.
    /// What was heard so far is forgotten.
    pub async fn kill(mut self) -> (Arc<Shared>, SocketAddr, SocketAddr) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10))).await.unwrap();
        self.shared.heard.lock().unwrap().clear();
        (Arc::clone(&self.shared), self.http, self.api)
    }

    /// Waits until something is heard that `wanted` wants, and returns what it makes of it.
    pub async fn hears<T>(&self, mut wanted: impl FnMut(&Heard) -> Option<T>) -> T {
        let mut news = self.shared.news.subscribe();
        let past = self.shared.heard.lock().unwrap().iter().find_map(|(_, heard)| wanted(heard));
        if let Some(found) = past {
            return found;
        }
        let wait = async {
            loop {
                if let Some(found) = wanted(&news.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), wait).await.expect("the rack hears what it waits for")
    }

    /// Waits for the end of a deployment.
    pub async fn hears_the_end(&self) -> report::Stage {
        self.hears(|heard| match heard {
            Heard::Report(stage @ (report::Stage::Written(_) | report::Stage::Failed(_))) => {
                Some(stage.clone())
            }
            _ => None,
        })
        .await
    }

    /// The words of the kernel command line that lead here; `host` is how the agent reaches this machine.
    pub fn command_line(&self, host: &str) -> String {
        let (http, api, ca) = (self.http.port(), self.api.port(), self.shared.authority.sha256());
        format!("underlay.url=http://{host}:{http} underlay.api=https://{host}:{api} underlay.ca={ca}")
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
