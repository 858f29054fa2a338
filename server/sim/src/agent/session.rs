//! An enrolled machine's line home: hello, orders in, reports out, over as many connections as it takes.
//!
//! The work in hand does not depend on a connection; after each reconnect the agent says hello and how far it is. An
//! order of another epoch is refused, the same order coming again is the work in hand.

use std::{future, time::Duration};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::ExposeSecret;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use underlay_core::SecretString;
use underlay_proto::v1::{
    self as pb, AgentMessage, Hello, Order, RedeemRequest, agent_message::Message,
    agent_service_client::AgentServiceClient, order::Task, report::Stage,
};

use super::{Error, Left, Pace, command_line::Settings, deploy, trust::Trust, wipe};
use crate::{
    boot::http::Nic,
    machine::{self, Life},
};

/// Between two reports: what happens faster is told by its latest state.
const PAUSE: Duration = Duration::from_millis(500);
/// Messages that may wait to be sent.
const QUEUE: usize = 8;

/// What the token bought.
struct Identity {
    certificate: CertificateDer<'static>,
    epoch: i64,
}

/// The deployment or the wipe that is running or has run.
struct InHand {
    order: Task,
    stage: watch::Receiver<Option<Stage>>,
    work: JoinHandle<()>,
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// How a connection ended, if not by leaving.
enum Ended {
    Broken(String),
    Died(String),
}

/// What comes next on a line.
enum Next {
    Order(Result<Option<Order>, Status>),
    Stage(Option<Stage>),
}

/// The agent of one boot.
struct Agent<'a> {
    life: &'a Life,
    settings: &'a Settings,
    trust: &'a Trust,
    token: &'a SecretString,
    key: KeyPair,
    request: Vec<u8>,
    identity: Option<Identity>,
    in_hand: Option<InHand>,
}

/// Take orders until one says to leave.
pub(super) async fn run(
    life: &Life,
    settings: &Settings,
    trust: &Trust,
    token: &SecretString,
) -> Result<Left, Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Key)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "underlay-agent");
    let request = params.serialize_request(&key).map_err(Error::Key)?.der().to_vec();
    let mut agent = Agent { life, settings, trust, token, key, request, identity: None, in_hand: None };
    let mut pace = Pace::default();
    loop {
        match agent.connection(&mut pace).await {
            Ok(left) => return Ok(left),
            Err(Ended::Died(why)) => return Ok(Left::Died(why)),
            Err(Ended::Broken(why)) => {
                tracing::debug!(machine = life.machine.name(), why, "not connected to the server");
            }
        }
        pace.wait(life).await;
    }
}

fn broken(status: Status) -> Ended {
    Ended::Broken(status.message().to_owned())
}

impl Agent<'_> {
    async fn connection(&mut self, pace: &mut Pace) -> Result<Left, Ended> {
        match (self.redeem().await, &self.identity) {
            (Ok(fresh), _) => self.identity = Some(fresh),
            (Err(error), None) => return Err(error),
            // The certificate it has may still be good.
            (Err(_), Some(_)) => {}
        }
        if self.life.rack.faults.boots_twice(&self.life.machine) {
            // Cut off after the token was used; the boot plan still says to boot the agent, with the same token.
            return Ok(self.again_from_the_network());
        }
        let Some(identity) = &self.identity else { return Err(Ended::Broken("no identity".into())) };
        let epoch = identity.epoch;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let certificate = (identity.certificate.clone(), key);
        let nic = Nic::of(&self.life.rack, &self.life.machine);
        let channel = self.trust.channel(nic, self.settings, Some(certificate)).await;
        let channel = channel.map_err(|error| Ended::Broken(error.to_string()))?;
        let (to_server, queue) = mpsc::channel(QUEUE);
        let inventory = Some(machine::inventory(&self.life.rack, &self.life.machine));
        let version = env!("CARGO_PKG_VERSION").into();
        let hello = Hello { epoch, version, inventory, takes_seed_runs: true };
        let _ = to_server.send(AgentMessage { message: Some(Message::Hello(hello)) }).await;
        let mut client = AgentServiceClient::new(channel);
        let orders = client.work(ReceiverStream::new(queue)).await.map_err(broken)?.into_inner();
        *pace = Pace::default();
        if let Some(work) = self.in_hand.as_mut() {
            work.stage.mark_changed();
        }
        self.converse(epoch, orders, &to_server).await
    }

    /// The machine restarts before it did anything; a second agent will bring the same token with another key.
    fn again_from_the_network(&self) -> Left {
        self.life.change(|state| {
            state.boot.enabled = machine::boot_order::Enabled::Once;
            state.boot.target = "Pxe";
        });
        Left::Reboot
    }

    async fn redeem(&self) -> Result<Identity, Ended> {
        let nic = Nic::of(&self.life.rack, &self.life.machine);
        let channel = self.trust.channel(nic, self.settings, None).await;
        let channel = channel.map_err(|error| Ended::Broken(error.to_string()))?;
        let request =
            RedeemRequest { token: self.token.expose_secret().to_owned(), csr: self.request.clone() };
        let answer = AgentServiceClient::new(channel).redeem(request).await.map_err(broken)?.into_inner();
        Ok(Identity { certificate: CertificateDer::from(answer.certificate), epoch: answer.epoch })
    }

    async fn converse(
        &mut self,
        epoch: i64,
        mut orders: Streaming<Order>,
        to_server: &mpsc::Sender<AgentMessage>,
    ) -> Result<Left, Ended> {
        let (mut quiet_until, mut failure_told) = (Instant::now(), false);
        loop {
            let next = tokio::select! {
                order = orders.message() => Next::Order(order),
                stage = next_stage(&mut self.in_hand, quiet_until) => Next::Stage(stage),
            };
            match next {
                Next::Order(Ok(Some(order))) if order.epoch == epoch => {
                    if let Some(left) = self.obey(order, &mut failure_told) {
                        return Ok(left);
                    }
                }
                Next::Order(Ok(Some(_))) => {}
                Next::Order(Ok(None)) => return Err(Ended::Broken("the server closed the session".into())),
                Next::Order(Err(status)) => return Err(broken(status)),
                Next::Stage(None) => {
                    return Err(Ended::Died("the agent's machine hangs in the middle of the image".into()));
                }
                Next::Stage(Some(stage)) => {
                    failure_told |= matches!(stage, Stage::Failed(_));
                    quiet_until = Instant::now() + PAUSE;
                    let report = pb::Report { epoch, stage: Some(stage) };
                    let message = AgentMessage { message: Some(Message::Report(report)) };
                    let closed = |_| Ended::Broken("the line broke".into());
                    to_server.send(message).await.map_err(closed)?;
                }
            }
        }
    }

    fn obey(&mut self, order: Order, failure_told: &mut bool) -> Option<Left> {
        match order.task? {
            Task::Stay(_) => None,
            order @ (Task::Deploy(_) | Task::Clean(_)) => {
                self.take(order, failure_told);
                None
            }
            Task::Leave(how) => match pb::Leave::try_from(how) {
                Ok(pb::Leave::PowerOff) => Some(Left::PowerOff),
                // kexec too goes through the firmware, as the real agent does it.
                Ok(pb::Leave::Reboot | pb::Leave::Kexec) => Some(Left::Reboot),
                Ok(pb::Leave::Unspecified) | Err(_) => None,
            },
        }
    }

    /// New work, unless it is the work in hand, or other work is still going on.
    fn take(&mut self, order: Task, failure_told: &mut bool) {
        if let Some(work) = self.in_hand.as_mut() {
            let stage = work.stage.borrow().clone();
            let failed = matches!(stage, Some(Stage::Failed(_)));
            let running = !failed && !matches!(stage, Some(Stage::Written(_) | Stage::Wiped(_)));
            if work.order == order && !(failed && *failure_told) {
                work.stage.mark_changed();
                return;
            }
            if running {
                return;
            }
        }
        *failure_told = false;
        let (say, stage) = watch::channel(None);
        let work = match order.clone() {
            Task::Deploy(deploy) => {
                tokio::spawn(deploy::Work::new(self.life, self.settings, deploy, say).run())
            }
            Task::Clean(clean) => tokio::spawn(wipe::Work::new(self.life, clean, say).run()),
            Task::Stay(_) | Task::Leave(_) => return,
        };
        self.in_hand = Some(InHand { order, stage, work });
    }
}

/// The next stage of the work in hand, not before `quiet_until`; never, without work. `None` when the work ended
/// without a word, which is how a machine that hangs shows.
async fn next_stage(in_hand: &mut Option<InHand>, quiet_until: Instant) -> Option<Stage> {
    sleep_until(quiet_until).await;
    loop {
        let Some(work) = in_hand.as_mut() else { return future::pending().await };
        if work.stage.changed().await.is_err() {
            let told =
                matches!(&*work.stage.borrow(), Some(Stage::Written(_) | Stage::Wiped(_) | Stage::Failed(_)));
            if told {
                return future::pending().await;
            }
            return None;
        }
        let stage = work.stage.borrow_and_update().clone();
        if stage.is_some() {
            return stage;
        }
    }
}
