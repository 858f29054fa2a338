//! Moves what needs no moving: a network or a credential is in use as soon as it is put, and gone as soon as it is
//! deleted (the API refuses to delete one that is in use).

use async_trait::async_trait;
use underlay_core::{
    Controller, Failure, Snapshot, Step, View,
    credential::{self, Credential},
    network::{self, Network},
};

/// Moves networks.
pub struct Networks;

/// Moves credentials.
pub struct Credentials;

#[async_trait]
impl Controller for Networks {
    type Noun = Network;

    async fn step(&self, snapshot: &Snapshot<Network>, _view: &dyn View) -> Result<Step<Network>, Failure> {
        let status = snapshot.object.status.clone();
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
