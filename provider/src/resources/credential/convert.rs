//! `underlay_credential` to the API and back.

use std::time::Duration;

use tfplugin::Attr;
use underlay_proto::v1 as pb;

use super::model::Model;
use crate::{
    client::Client,
    resources::object::{Mirror, fields},
    written::{Fit, plain, seen_number, seen_text, settled},
};

impl Mirror for Model {
    type Noun = pb::Credential;
    const WAIT: Duration = Duration::from_secs(2 * 60);
    const DELETE: Duration = Duration::from_secs(5 * 60);

    fields!(id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        config: &Self,
        prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutCredentialRequest> {
        let key = client.key(plan.name.require()?);
        let spec = pb::CredentialSpec {
            username: plain(&plan.username)?,
            secret_version: plain(&plan.password_wo_version)?,
        };
        // Only with a new version: else a secret that was changed without one would slip in with something else.
        let is_new = prior.is_none_or(|prior| prior.password_wo_version != plan.password_wo_version);
        let password = config.password_wo.get().filter(|_| is_new).cloned();
        Ok(pb::PutCredentialRequest { key: Some(key), spec: Some(spec), options: Some(options), password })
    }

    fn read(prior: &Self, credential: &pb::Credential) -> Self {
        let meta = credential.meta.clone().unwrap_or_default();
        let spec = credential.spec.clone().unwrap_or_default();
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            username: seen_text(&spec.username),
            password_wo: Attr::Null,
            password_wo_version: seen_number(&prior.password_wo_version, spec.secret_version),
            phase: credential.standing.clone().unwrap_or_default().phase.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, credential: &pb::Credential) -> Self {
        let fresh = Self::read(plan, credential);
        let phase = settled(&plan.phase, fresh.phase);
        Self { id: fresh.id, incarnation: fresh.incarnation, phase, ..plan.clone() }
    }
}
