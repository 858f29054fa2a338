//! Agents calling home: Redeem and Discover need no credentials but what they bring, Work needs the certificate that
//! Redeem issued, Reside the one that Adopt issued.
//!
//! Invariant: which host and which boot an agent speaks for is taken from its certificate alone, never from a message.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tonic::{Request, Response, Status, Streaming};
use underlay_core::{Mac, agent::Purpose, boot};
use underlay_proto::v1::{self as pb, agent_service_server::AgentService};
use underlay_store::token::{Bearer, Redemption};

use super::{
    adoption,
    caller::peer,
    limiter::{Bucket, PerKey},
    reside,
    stream::Events,
    work,
};
use crate::{attest, context::Context, discovery, errors::Error, listen::Peer, tls::AgentIdentity};

/// The longest token that is looked up, in bytes.
const TOKEN: usize = 256;
/// How long a machine is held back that has just reported.
const PAUSE: Duration = Duration::from_secs(10);

/// What holds back callers without credentials; shared by all listeners.
pub(crate) struct AgentDoor {
    redeem: Bucket,
    discover: Bucket,
    discover_mac: PerKey<(Option<IpAddr>, Mac)>,
}

impl Default for AgentDoor {
    fn default() -> Self {
        Self {
            redeem: Bucket::new(400.0, 2000.0),
            discover: Bucket::new(50.0, 200.0),
            discover_mac: PerKey::new(PAUSE, 10_000),
        }
    }
}

/// The service of agents.
pub(crate) struct Agents {
    context: Context,
    door: Arc<AgentDoor>,
}

impl Agents {
    /// The service over what all share.
    pub(crate) fn new(context: Context, door: Arc<AgentDoor>) -> Self {
        Self { context, door }
    }

    async fn redeem_token(
        &self,
        peer: Peer,
        request: pb::RedeemRequest,
    ) -> Result<pb::RedeemResponse, Error> {
        if !self.door.redeem.take() {
            return Err(Error::Exhausted("too many agents call at once; try again in a second"));
        }
        // Before the token is spent: a request that cannot be signed must not use it up.
        let signing = self.context.authority.check(&request.csr)?;
        if request.token.is_empty() || request.token.len() > TOKEN {
            return Err(refused());
        }
        let bearer = Bearer { key: signing.fingerprint().to_owned(), address: peer.to_string() };
        let digest = boot::digest(&request.token);
        attest::admit(&self.context, &digest, &request).await?;
        let redeemed =
            self.context.store.redeem(&digest, Purpose::Agent, &bearer, underlay_core::clock::now()).await?;
        let grant = match redeemed {
            Redemption::Redeemed(grant) => grant,
            // One answer for all: whoever guesses learns nothing. What it was stands in the log.
            Redemption::Expired => return Err(audit("expired", &bearer)),
            Redemption::Unknown => return Err(audit("unknown", &bearer)),
            Redemption::Intruder => return Err(audit("redeemed by another key before", &bearer)),
        };
        discovery::redeemed(&self.context, grant.host).await?;
        let identity = AgentIdentity { host: grant.host, epoch: grant.epoch };
        let certificate = self.context.authority.agent(&signing, identity)?;
        tracing::info!(host = %grant.host, epoch = grant.epoch, peer = bearer.address, "an agent redeemed its token");
        Ok(pb::RedeemResponse {
            certificate: certificate.to_vec(),
            host_id: grant.host.to_string(),
            epoch: grant.epoch,
            takes_log: true,
        })
    }

    async fn note_discovered(
        &self,
        peer: Peer,
        request: pb::DiscoverRequest,
    ) -> Result<pb::DiscoverResponse, Error> {
        let mac: Mac = request
            .boot_mac
            .parse()
            .ok()
            .filter(Mac::is_unicast)
            .ok_or_else(|| Error::field("boot_mac", "is not the address of a NIC"))?;
        let address = peer.address.map(|address| address.ip());
        if !self.door.discover_mac.take((address, mac)) || !self.door.discover.take() {
            return Err(Error::Exhausted("too many reports; wait half a minute"));
        }
        discovery::attend(&self.context, discovery::Report { boot_mac: mac, from: peer, request }).await
    }
}

fn refused() -> Error {
    Error::Denied("the token is not valid; restart the machine to get a new one".into())
}

fn audit(why: &'static str, bearer: &Bearer) -> Error {
    tracing::warn!(why, key = bearer.key, peer = bearer.address, "refused a boot token");
    refused()
}

#[tonic::async_trait]
impl AgentService for Agents {
    type WorkStream = Events<pb::Order>;
    type ResideStream = Events<pb::ResidentOrder>;

    async fn adopt(&self, request: Request<pb::AdoptRequest>) -> Result<Response<pb::AdoptResponse>, Status> {
        let peer = peer(&request)?;
        if !self.door.redeem.take() {
            return Err(Error::Exhausted("too many agents call at once; try again in a second").into());
        }
        Ok(Response::new(adoption::adopt(&self.context, peer, request.into_inner()).await?))
    }

    async fn reside(
        &self,
        request: Request<Streaming<pb::ResidentReport>>,
    ) -> Result<Response<Self::ResideStream>, Status> {
        let resident = peer(&request)?.resident.ok_or(Error::Unauthenticated("no resident's certificate"))?;
        Ok(Response::new(reside::begin(&self.context, resident, request.into_inner()).await?))
    }

    async fn redeem(
        &self,
        request: Request<pb::RedeemRequest>,
    ) -> Result<Response<pb::RedeemResponse>, Status> {
        let peer = peer(&request)?;
        Ok(Response::new(self.redeem_token(peer, request.into_inner()).await?))
    }

    async fn discover(
        &self,
        request: Request<pb::DiscoverRequest>,
    ) -> Result<Response<pb::DiscoverResponse>, Status> {
        let peer = peer(&request)?;
        Ok(Response::new(self.note_discovered(peer, request.into_inner()).await?))
    }

    async fn work(
        &self,
        request: Request<Streaming<pb::AgentMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let agent = peer(&request)?.agent.ok_or(Error::Unauthenticated("no agent's certificate"))?;
        Ok(Response::new(work::begin(&self.context, agent, request.into_inner()).await?))
    }
}
