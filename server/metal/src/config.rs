//! Moves what needs no moving: a network, a credential, a profile, a step or a site is in use as soon as it is put, and gone as soon
//! as it is deleted (the API refuses to delete one that is in use). Of a network it says whether another DHCP server is on it.

use async_trait::async_trait;
use jiff::Timestamp;
use underlay_core::{
    Controller, Failure, Snapshot, Step, View,
    condition::{self, Health},
    credential::{self, Credential},
    network::{self, Mode, Network},
    observation::{Body, Evidence, Observation, Source},
    profile::{self, Profile},
    site::{self, Site},
    step,
};

/// Moves networks.
pub struct Networks;

/// Moves credentials.
pub struct Credentials;

/// Moves profiles.
pub struct Profiles;

/// Moves steps.
pub struct Steps;

/// Moves sites.
pub struct Sites;

#[async_trait]
impl Controller for Networks {
    type Noun = Network;

    async fn step(&self, snapshot: &Snapshot<Network>, _view: &dyn View) -> Result<Step<Network>, Failure> {
        let mut status = snapshot.object.status.clone();
        if let Some(heard) = snapshot.observations.iter().find(|seen| seen.source == Source::Segment) {
            say_who_else_is_there(&mut status, snapshot.object.spec.dhcp.mode, heard, snapshot.now);
        }
        Ok(match snapshot.object.state {
            _ if snapshot.is_deleting() => Step::gone(status),
            network::State::Pending => Step::advance(status, network::State::Serving),
            network::State::Serving => Step::done(status, None),
        })
    }
}

#[async_trait]
impl Controller for Credentials {
    type Noun = Credential;

    async fn step(
        &self,
        snapshot: &Snapshot<Credential>,
        _view: &dyn View,
    ) -> Result<Step<Credential>, Failure> {
        let status = snapshot.object.status.clone();
        Ok(match snapshot.object.state {
            _ if snapshot.is_deleting() => Step::gone(status),
            credential::State::Pending => Step::advance(status, credential::State::Stored),
            credential::State::Stored => Step::done(status, None),
        })
    }
}

#[async_trait]
impl Controller for Profiles {
    type Noun = Profile;

    async fn step(&self, snapshot: &Snapshot<Profile>, _view: &dyn View) -> Result<Step<Profile>, Failure> {
        let status = snapshot.object.status.clone();
        Ok(match snapshot.object.state {
            _ if snapshot.is_deleting() => Step::gone(status),
            profile::State::Pending => Step::advance(status, profile::State::Defined),
            profile::State::Defined => Step::done(status, None),
        })
    }
}

#[async_trait]
impl Controller for Steps {
    type Noun = step::Step;

    async fn step(
        &self,
        snapshot: &Snapshot<step::Step>,
        _view: &dyn View,
    ) -> Result<Step<step::Step>, Failure> {
        let status = snapshot.object.status.clone();
        Ok(match snapshot.object.state {
            _ if snapshot.is_deleting() => Step::gone(status),
            step::State::Pending => Step::advance(status, step::State::Defined),
            step::State::Defined => Step::done(status, None),
        })
    }
}

#[async_trait]
impl Controller for Sites {
    type Noun = Site;

    async fn step(&self, snapshot: &Snapshot<Site>, _view: &dyn View) -> Result<Step<Site>, Failure> {
        let status = snapshot.object.status.clone();
        Ok(match snapshot.object.state {
            _ if snapshot.is_deleting() => Step::gone(status),
            site::State::Pending => Step::advance(status, site::State::Known),
            site::State::Known => Step::done(status, None),
        })
    }
}

/// The condition that we are alone in handing out addresses, as we are meant to be in server mode.
fn say_who_else_is_there(status: &mut network::Status, mode: Mode, heard: &Observation, now: Timestamp) {
    const NAME: &str = "OnlyDhcpServer";
    let Body::Segment { strangers } = &heard.body else { return };
    if mode != Mode::Server {
        status.conditions.retain(|condition| condition.name != NAME);
        return;
    }
    if strangers.is_empty() {
        condition::set(&mut status.conditions, NAME, Health::Good, "no other DHCP server is heard here", now);
        return;
    }
    let named: Vec<_> = strangers
        .iter()
        .map(|stranger| match stranger.evidence {
            Evidence::Answered => format!("{} (it answered our own question)", stranger.address),
            Evidence::Chosen => format!("{} (a machine took its address from it)", stranger.address),
        })
        .collect();
    let reason = format!(
        "another DHCP server is on this network: {}; machines may boot what it says, or get addresses that are \
         taken. Switch it off (`ip neigh show to {}` names its MAC), or leave the addresses to it with \
         dhcp.mode = \"proxy\"",
        named.join(", "),
        strangers.first().map(|stranger| stranger.address.to_string()).unwrap_or_default()
    );
    condition::set(&mut status.conditions, NAME, Health::Bad, reason, now);
}

#[cfg(test)]
mod tests {
    use underlay_core::{ObjectId, observation::Stranger};

    use super::*;

    fn said(mode: Mode, strangers: Vec<Stranger>, before: network::Status) -> network::Status {
        let heard = Observation {
            id: ObjectId::new(),
            source: Source::Segment,
            at: Timestamp::UNIX_EPOCH,
            body: Body::Segment { strangers },
        };
        let mut status = before;
        say_who_else_is_there(&mut status, mode, &heard, Timestamp::UNIX_EPOCH);
        status
    }

    #[test]
    fn another_dhcp_server_is_a_condition_of_the_network_until_it_is_gone() {
        let stranger = Stranger { address: [10, 12, 0, 8].into(), evidence: Evidence::Answered };
        let bad = said(Mode::Server, vec![stranger], network::Status::default());
        let [condition] = &bad.conditions[..] else { panic!("{bad:?}") };
        assert_eq!((condition.name.as_str(), condition.health), ("OnlyDhcpServer", Health::Bad));
        assert!(condition.reason.contains("10.12.0.8") && condition.reason.contains("proxy"));
        let good = said(Mode::Server, vec![], bad.clone());
        assert_eq!(good.conditions[0].health, Health::Good);
        assert!(said(Mode::Proxy, vec![], bad).conditions.is_empty(), "there it is meant to be");
    }
}
