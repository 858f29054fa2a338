//! A resident's line home: what the machine is, said once per connection and again when it changes, and two things to hear:
//! which attributes to write, and that the server has forgotten the machine.
//!
//! A server that cannot be reached is knocked at for ever, ever more rarely. What it orders beside that is not known here, so
//! nothing else it could send makes the agent touch the machine.

use std::{net::SocketAddr, path::Path, time::Duration};

use rustls::pki_types::CertificateDer;
use secrecy::SecretString;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tracing::{info, warn};
use underlay_core::resident::Written;
use underlay_proto::v1::{
    Inventory, ResidentReport, System, WrittenAttributes, agent_service_client::AgentServiceClient,
    resident_order::Order,
};

use super::{attributes, places::Places as Files, system};
use crate::{
    deploy::error::chain,
    home::{channel, convert, identity::Key, trust::Trust},
    inventory::{self, Places},
    pace::Pace,
};

/// How often the agent looks whether the machine has changed. It says so only where it has.
const LOOK: Duration = Duration::from_secs(300);
/// The longest wait before it knocks again.
const RARELY: Duration = Duration::from_secs(300);

/// An agent that lives on this machine.
pub struct Resident {
    /// The agent service.
    pub server: SocketAddr,
    /// Which server to believe.
    pub trust: Trust,
    /// The key that is kept.
    pub key: Key,
    /// The system it lives on.
    pub files: Files,
}

/// A connection ended, or never was.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("TLS cannot be set up")]
    Trust(#[source] crate::home::trust::Error),
    #[error("the server cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    #[error("the server gives no certificate: {}", .0.message())]
    Renew(tonic::Status),
    #[error("the server ended the line: {}", .0.message())]
    Line(tonic::Status),
    #[error("the server closed the line")]
    Closed,
}

impl Error {
    /// The server knows no host with this key. It has proved that it is the server by then.
    fn is_for_good(&self) -> bool {
        matches!(self, Error::Renew(status) | Error::Line(status) if status.code() == Code::PermissionDenied)
    }
}

/// A certificate, and until when it need not be renewed.
struct Certificate {
    der: CertificateDer<'static>,
    fresh_until: Instant,
}

impl Resident {
    /// Tells of the machine until the server has forgotten it.
    pub async fn run(self) {
        let mut pace = Pace::up_to(RARELY);
        let mut certificate = None;
        loop {
            match self.connection(&mut certificate, &mut pace).await {
                Ok(()) => return self.clean(),
                Err(error) if error.is_for_good() => {
                    warn!(error = chain(&error), "refused");
                    return self.clean();
                }
                Err(error) => warn!(error = chain(&error), "not connected to the server"),
            }
            pace.wait().await;
        }
    }

    /// What was written for a machine that is no more goes.
    fn clean(&self) {
        if let Err(error) = attributes::remove(&self.files) {
            warn!(error = chain(&error), "the attributes are not taken away");
        }
    }

    /// One connection, until the server has forgotten the machine.
    async fn connection(&self, certificate: &mut Option<Certificate>, pace: &mut Pace) -> Result<(), Error> {
        if certificate.as_ref().is_none_or(|it| it.fresh_until <= Instant::now()) {
            *certificate = Some(self.renew().await?);
        }
        let identity = certificate.as_ref().map(|it| (it.der.clone(), self.key.private()));
        let tls = self.trust.tls(identity).map_err(Error::Trust)?;
        let channel = channel::connect_for_long(self.server, tls).await.map_err(Error::Connect)?;

        let (mut inventory, mut system) = look();
        let (to_server, queue) = mpsc::channel(1);
        let _ = to_server.send(self.report(&inventory, &system)).await;
        let mut client = AgentServiceClient::new(channel);
        let mut orders = client.reside(ReceiverStream::new(queue)).await.map_err(Error::Line)?.into_inner();
        info!("connected");
        pace.reset();
        let mut again = interval(LOOK);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again.reset();
        loop {
            tokio::select! {
                order = orders.message() => match order.map_err(Error::Line)? {
                    Some(order) => match order.order {
                        Some(Order::Forgotten(_)) => return Ok(()),
                        Some(Order::Attributes(order)) => {
                            let written = attributes::apply(&self.files, &order);
                            match &written.failure {
                                None => info!(files = order.files.len(), "attributes written"),
                                Some(why) => warn!(why, "attributes are not written"),
                            }
                            let report = ResidentReport { written: Some(spell(written)), ..Default::default() };
                            to_server.send(report).await.map_err(|_| Error::Closed)?;
                        }
                        None => warn!("an order that this agent does not know is left alone"),
                    },
                    None => return Err(Error::Closed),
                },
                _ = again.tick() => {
                    let now = look();
                    if (steady(&now.0), &now.1) != (steady(&inventory), &system) {
                        info!("the machine has changed");
                        (inventory, system) = now;
                        let report = self.report(&inventory, &system);
                        to_server.send(report).await.map_err(|_| Error::Closed)?;
                    }
                }
            }
        }
    }

    fn report(&self, inventory: &Inventory, system: &System) -> ResidentReport {
        let written = attributes::written(&self.files).unwrap_or_default();
        ResidentReport {
            inventory: Some(inventory.clone()),
            system: Some(system.clone()),
            written: Some(spell(written)),
        }
    }

    /// A certificate without a token: the key is known, or the machine is forgotten.
    async fn renew(&self) -> Result<Certificate, Error> {
        let tls = self.trust.tls(None).map_err(Error::Trust)?;
        let channel = channel::connect(self.server, tls).await.map_err(Error::Connect)?;
        let none = SecretString::default();
        let answer = self.key.adopt(channel, &none, look()).await.map_err(Error::Renew)?;
        info!(host = answer.host_name, id = answer.host_id, "this machine is known");
        let fresh = Duration::from_secs(answer.renew_seconds.into());
        Ok(Certificate { der: CertificateDer::from(answer.certificate), fresh_until: Instant::now() + fresh })
    }
}

/// The machine as it is.
pub(super) fn look() -> (Inventory, System) {
    let inventory = inventory::read(Places::real(), None);
    let system = system::read(Path::new("/"), Path::new("/proc"));
    (convert::inventory(&inventory), convert::system(&system))
}

/// Without what moves by itself.
fn steady(inventory: &Inventory) -> Inventory {
    let mut steady = inventory.clone();
    for health in steady.disks.iter_mut().filter_map(|disk| disk.health.as_mut()) {
        health.celsius = None;
    }
    steady
}

fn spell(written: Written) -> WrittenAttributes {
    WrittenAttributes { fingerprint: written.fingerprint, failure: written.failure.unwrap_or_default() }
}
