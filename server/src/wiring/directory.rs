//! The boot endpoint's directory: answers from the projection, calls home into the store.

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use underlay_core::{
    Mac, ObjectId,
    agent::Purpose,
    boot::{self, Answer, Media, PhoneHome, Redemption},
    observation::{Body, Observation, Source},
    view,
};
use underlay_store::{Store, token};

use super::{hints::Ear, media::Secrets, projection::Projection, sightings::Noticeboard};

/// An installed system has no key of its own: its URL is its proof.
const NO_KEY: &str = "installed system";

/// Answers the boot endpoint.
pub struct Directory {
    /// Who boots what.
    pub projection: Arc<Projection>,
    /// What was seen.
    pub noticeboard: Noticeboard,
    /// Who may read a boot's image.
    pub media: Secrets,
    /// Who has hosts looked at when their BMCs say so.
    pub ear: Ear,
    /// Where calls home are kept.
    pub store: Store,
}

#[async_trait]
impl boot::Directory for Directory {
    async fn answer(&self, mac: Mac, from: IpAddr) -> Result<Answer, view::Error> {
        Ok(match self.projection.host_of(mac) {
            Some((host, plan)) => Answer::Known { host, plan },
            None => Answer::Unknown(self.projection.unknown_at(from)),
        })
    }

    fn saw(&self, mac: Mac, what: &str) {
        self.noticeboard.saw(mac, what);
    }

    fn media(&self, secret: &str) -> Option<(ObjectId, Media)> {
        let host = Secrets::host(secret)?;
        let media = self.projection.media_of(host)?;
        self.media.is_genuine(secret, host, media.epoch).then_some((host, media))
    }

    fn saw_bmc(&self, host: ObjectId, what: &str) {
        self.noticeboard.saw_bmc(host, what);
    }

    fn hinted(&self, host: ObjectId, proof: &str) -> Redemption {
        if self.ear.hears(host, proof) { Redemption::Accepted } else { Redemption::Refused }
    }

    async fn phone_home(&self, call: PhoneHome) -> Result<Redemption, view::Error> {
        let failed = |error: underlay_store::Error| view::Error::Read {
            what: "a one-time URL".into(),
            source: Box::new(error),
        };
        let now = underlay_core::clock::now();
        let bearer = token::Bearer { key: NO_KEY.into(), address: call.address.to_string() };
        let redeemed =
            match self.store.redeem(&call.token, Purpose::PhoneHome, &bearer, now).await.map_err(failed)? {
                token::Redemption::Redeemed(redeemed) => redeemed,
                token::Redemption::Expired | token::Redemption::Unknown | token::Redemption::Intruder => {
                    return Ok(Redemption::Refused);
                }
            };
        let body = Body::PhoneHome {
            epoch: redeemed.epoch,
            ssh_host_keys: call.ssh_host_keys,
            address: call.address.to_canonical().to_string(),
        };
        let seen = Observation { id: redeemed.host, source: Source::PhoneHome, at: now, body };
        self.store.observe(&seen).await.map_err(failed)?;
        Ok(Redemption::Accepted)
    }
}
