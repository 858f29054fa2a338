//! An enrolled machine's line home: hello, orders in, reports out, for as long as it takes.
//!
//! Connections come and go; the work in hand does not depend on one. After every reconnect the agent says hello and how
//! far it is; the same order coming again is the work in hand, not new work. An order of another epoch is refused.
//!
//! When all is written the agent stays until it is told to leave: the server first sets the host's next boot to its
//! disk. A server that cannot be reached is knocked at for ever, since a machine that left without a word would be lost.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tracing::{info, warn};
use underlay_core::agent::{Leave, Stage, Task};
use underlay_proto::v1::{
    self as v1, AgentMessage, Hello, Order, agent_message::Message, agent_service_client::AgentServiceClient,
};

use super::{
    channel, convert,
    identity::{Identity, Key},
    trust::Trust,
};
use crate::{
    deploy::{self, error::chain, progress::Progress, run::Host},
    pace::Pace,
    source::Source,
    system::log::Log,
    wipe,
};

/// Between two reports: what happens faster is told by its latest state.
const PAUSE: Duration = Duration::from_millis(500);
/// The most of the log that is told at once, in bytes, and how long between two tellings: what comes close together is told
/// together.
const LOG: usize = 8 << 10;
const LOG_PAUSE: Duration = Duration::from_secs(3);
/// Messages that may wait to be sent.
const QUEUE: usize = 8;

/// Everything a session needs.
pub struct Session {
    /// The agent service.
    pub server: SocketAddr,
    /// Which server to believe.
    pub trust: Trust,
    /// The key of this boot.
    pub key: Key,
    /// The one-time token.
    pub token: SecretString,
    /// The machine.
    pub host: Arc<dyn Host>,
    /// The boot endpoint.
    pub source: Arc<dyn Source>,
    /// What this boot has to say.
    pub log: Log,
}

/// A connection ended, or never was.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("TLS cannot be set up")]
    Trust(#[source] super::trust::Error),
    #[error("the server cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    #[error("no identity")]
    Redeem(#[source] super::identity::Error),
    #[error("the server ended the session: {}", .0.message())]
    Session(tonic::Status),
    #[error("the server closed the session")]
    Closed,
}

impl Error {
    /// Does the server not want us, whatever we do?
    fn is_refusal(&self) -> bool {
        match self {
            Error::Redeem(super::identity::Error::Redeem(status)) | Error::Session(status) => {
                status.code() == tonic::Code::PermissionDenied
            }
            _ => false,
        }
    }
}

/// The deployment or the wipe that is running or has run.
struct InHand {
    order: Task,
    stage: watch::Receiver<Option<Stage>>,
}

impl Session {
    /// Takes orders until one of them ends in leaving, and returns how.
    pub async fn run(self) -> Leave {
        let (mut pace, mut identity, mut in_hand) = (Pace::default(), None, None);
        loop {
            match self.connection(&mut identity, &mut in_hand, &mut pace).await {
                Ok(leave) => return leave,
                Err(error) => warn!(error = chain(&error), "not connected to the server"),
            }
            pace.wait().await;
        }
    }

    /// The same, until the server will not have us while we have no work: its token was for work that is called off.
    pub async fn run_until_refused(self) -> Option<Leave> {
        let (mut pace, mut identity, mut in_hand) = (Pace::default(), None, None);
        loop {
            match self.connection(&mut identity, &mut in_hand, &mut pace).await {
                Ok(leave) => return Some(leave),
                Err(error) => {
                    warn!(error = chain(&error), "not connected to the server");
                    if error.is_refusal() && in_hand.is_none() {
                        return None;
                    }
                }
            }
            pace.wait().await;
        }
    }

    /// One connection, from hello to its end.
    async fn connection(
        &self,
        identity: &mut Option<Identity>,
        in_hand: &mut Option<InHand>,
        pace: &mut Pace,
    ) -> Result<Leave, Error> {
        // The certificate is short-lived; buying it again with the same key is harmless and always gives a fresh one.
        match (self.redeem().await, &identity) {
            (Ok(fresh), _) => *identity = Some(fresh),
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => warn!(error = chain(&error), "certificate not renewed"),
        }
        let Some(identity) = identity else { return Err(Error::Closed) };
        let certificate = (identity.certificate.clone(), self.key.private());
        let tls = self.trust.tls(Some(certificate)).map_err(Error::Trust)?;
        let channel = channel::connect(self.server, tls).await.map_err(Error::Connect)?;

        let (to_server, queue) = mpsc::channel(QUEUE);
        let _ = to_server.send(self.hello(identity)).await;
        let mut client = AgentServiceClient::new(channel);
        let orders = client.work(ReceiverStream::new(queue)).await.map_err(Error::Session)?.into_inner();
        info!(host = %identity.host, epoch = identity.epoch, "connected");
        pace.reset();
        if let Some(work) = in_hand.as_mut() {
            work.stage.mark_changed();
        }
        let line = Line {
            session: self,
            epoch: identity.epoch,
            orders,
            to_server,
            failure_told: false,
            quiet_until: Instant::now(),
            takes_log: identity.takes_log,
            log_from: Instant::now(),
        };
        line.run(in_hand).await
    }

    async fn redeem(&self) -> Result<Identity, Error> {
        let tls = self.trust.tls(None).map_err(Error::Trust)?;
        let channel = channel::connect(self.server, tls).await.map_err(Error::Connect)?;
        self.key.redeem(channel, &self.token).await.map_err(Error::Redeem)
    }

    fn hello(&self, identity: &Identity) -> AgentMessage {
        let inventory = Some(convert::inventory(&self.host.inventory()));
        let version = env!("CARGO_PKG_VERSION").into();
        let hello = Hello { epoch: identity.epoch, version, inventory, takes_seed_runs: true };
        AgentMessage { message: Some(Message::Hello(hello)) }
    }

    /// Starts the work in the background.
    fn begin(&self, order: Task) -> InHand {
        let (stage, watch) = watch::channel(None);
        let (host, source, task) = (Arc::clone(&self.host), Arc::clone(&self.source), order.clone());
        tokio::spawn(async move {
            let progress = Progress::new(stage);
            match task {
                Task::Deploy(task) => deploy::run(&task, &*host, &*source, progress).await,
                Task::Clean(task) => wipe::run(&task, &host, progress).await,
                Task::Stay | Task::Leave(_) | Task::Attributes(_) => {}
            }
        });
        InHand { order, stage: watch }
    }
}

/// One live connection.
struct Line<'a> {
    session: &'a Session,
    epoch: i64,
    orders: Streaming<Order>,
    to_server: mpsc::Sender<AgentMessage>,
    /// Was the failure of the work in hand reported over this connection?
    failure_told: bool,
    /// Nothing is reported before this.
    quiet_until: Instant,
    /// Does the server keep what we log?
    takes_log: bool,
    /// Nothing of the log is told before this.
    log_from: Instant,
}

impl Line<'_> {
    async fn run(mut self, in_hand: &mut Option<InHand>) -> Result<Leave, Error> {
        loop {
            tokio::select! {
                order = self.orders.message() => match order {
                    Ok(Some(order)) => if let Some(leave) = self.obey(order, in_hand) {
                        info!(?leave, "leaving");
                        self.tell_log().await?;
                        return Ok(leave);
                    },
                    Ok(None) => return Err(Error::Closed),
                    Err(status) => return Err(Error::Session(status)),
                },
                stage = next_stage(in_hand, self.quiet_until) => self.tell(&stage).await?,
                () = next_lines(&self.session.log, self.log_from), if self.takes_log => self.tell_log().await?,
            }
        }
    }

    /// Tells what there is to tell of the log; all that fits into one message.
    async fn tell_log(&mut self) -> Result<(), Error> {
        self.log_from = Instant::now() + LOG_PAUSE;
        let text = if self.takes_log { self.session.log.take(LOG) } else { String::new() };
        if text.is_empty() {
            return Ok(());
        }
        let message = Message::Log(v1::Log { epoch: self.epoch, text: text.clone() });
        let told = self.to_server.send(AgentMessage { message: Some(message) }).await;
        told.map_err(|_| {
            self.session.log.put_back(&text);
            Error::Closed
        })
    }

    async fn tell(&mut self, stage: &Stage) -> Result<(), Error> {
        if let Stage::Failed { failure, .. } = stage {
            warn!(%failure, "deployment failed");
            self.failure_told = true;
        }
        self.quiet_until = Instant::now() + PAUSE;
        self.to_server.send(convert::report(self.epoch, stage)).await.map_err(|_| Error::Closed)
    }

    /// Takes an order; returns how to leave if that is what it says.
    fn obey(&mut self, order: Order, in_hand: &mut Option<InHand>) -> Option<Leave> {
        if order.epoch != self.epoch {
            warn!(ours = self.epoch, theirs = order.epoch, "order of another epoch refused");
            return None;
        }
        match convert::task(order) {
            Ok(Task::Stay) => info!("waiting for work"),
            Ok(Task::Leave(how)) => return Some(how),
            Ok(order @ (Task::Deploy(_) | Task::Clean(_))) => self.take(order, in_hand),
            Ok(Task::Attributes(_)) => warn!("attributes are for an agent that lives on a system; refused"),
            Err(error) => warn!(%error, "order refused"),
        }
        None
    }

    /// New work, unless it is the work in hand, or other work is still going on.
    fn take(&mut self, order: Task, in_hand: &mut Option<InHand>) {
        if let Some(work) = in_hand.as_mut() {
            let stage = work.stage.borrow().clone();
            let failed = matches!(stage, Some(Stage::Failed { .. }));
            let same = work.order == order;
            let running = !failed && !matches!(stage, Some(Stage::Written { .. } | Stage::Wiped { .. }));
            if same && !(failed && self.failure_told) {
                work.stage.mark_changed();
                return;
            }
            if running {
                warn!("another order refused: a disk is being written");
                return;
            }
        }
        self.failure_told = false;
        *in_hand = Some(self.session.begin(order));
    }
}

/// Until there are lines to tell, not before `from`.
async fn next_lines(log: &Log, from: Instant) {
    sleep_until(from).await;
    log.came().await;
}

/// The next stage of the work in hand, not before `quiet_until`; never, without work.
async fn next_stage(in_hand: &mut Option<InHand>, quiet_until: Instant) -> Stage {
    sleep_until(quiet_until).await;
    loop {
        let Some(work) = in_hand.as_mut() else { return std::future::pending().await };
        if work.stage.changed().await.is_err() {
            // The work is over and its last stage was seen.
            return std::future::pending().await;
        }
        let stage = work.stage.borrow_and_update().clone();
        if let Some(stage) = stage {
            return stage;
        }
    }
}
