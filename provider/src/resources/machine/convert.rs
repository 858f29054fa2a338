//! `underlay_machine` to the API and back.

use std::time::Duration;

use tfplugin::Attr;
use underlay_proto::v1 as pb;

use super::{
    claim,
    model::{Model, Redeploy, Root},
    network, volumes,
};
use crate::{
    client::Client,
    planned::Lenders,
    resources::{
        object::{Mirror, fields},
        step,
    },
    values,
    written::{Fit, bytes, nested, plain, seen_bytes, seen_list, seen_number, seen_text, settled},
};

impl Mirror for Model {
    type Noun = pb::Machine;
    const WAIT: Duration = Duration::from_secs(90 * 60);
    const DELETE: Duration = Duration::from_secs(30 * 60);

    fields!(id);

    fn reopen(&mut self) {
        if self.require.is_value() {
            // It may get another one as long as it was never ready.
            self.host = Attr::Unknown;
        }
        self.phase = Attr::Unknown;
        self.pending = Attr::Unknown;
        self.address = Attr::Unknown;
        self.forwards = Attr::Unknown;
        self.ssh_host_keys = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        config: &Self,
        prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutMachineRequest> {
        let key = client.key(plan.name.require()?);
        let before = prior.map(|prior| &prior.secret_values_version);
        let (noted, secret_values) =
            values::secrets(&config.secret_values_wo, &plan.secret_values_version, before)?;
        let spec = spec(plan, config, noted)?;
        let pool = spec.require.as_ref().map(|require| require.pool.as_str()).unwrap_or_default();
        let steps = step::names(&plan.steps);
        let lenders = Lenders { profiles: &spec.profiles, pool, host: &spec.host, steps: &steps };
        let judged = !spec.profiles.is_empty() || !steps.is_empty();
        let planned = client.planned.inherited(lenders).filter(|_| judged);
        let (user_data, clear_user_data) = user_data(plan, config, prior)?;
        Ok(pb::PutMachineRequest {
            key: Some(key),
            spec: Some(spec),
            options: Some(options),
            user_data,
            clear_user_data,
            secret_values,
            planned,
        })
    }

    fn read(prior: &Self, machine: &pb::Machine) -> Self {
        let meta = machine.meta.clone().unwrap_or_default();
        let spec = machine.spec.clone().unwrap_or_default();
        let status = machine.status.clone().unwrap_or_default();
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            hostname: seen_text(&spec.hostname),
            image: seen_text(&spec.image),
            host: seen_text(if spec.require.is_some() { &status.host } else { &spec.host }),
            require: claim::seen_require(&prior.require, spec.require.as_ref()),
            spread: claim::seen_spread(spec.spread.as_ref()),
            root: seen_root(&prior.root, &spec.root.unwrap_or_default()),
            volumes: volumes::seen(&prior.volumes, &spec.volumes),
            network: network::seen(&prior.network, &spec.network.unwrap_or_default()),
            ssh_keys: seen_keys(&prior.ssh_keys, spec.ssh_keys),
            user_data: seen_user_data(&prior.user_data, &spec.user_data_digest),
            user_data_wo: Attr::Null,
            user_data_wo_version: prior.user_data_wo_version.clone(),
            profiles: seen_list(&prior.profiles, spec.profiles),
            values: values::seen_values(&prior.values, &spec.values),
            secret_values_wo: Attr::Null,
            secret_values_version: seen_number(
                &prior.secret_values_version,
                spec.secret_values.map(|noted| noted.version).unwrap_or_default(),
            ),
            steps: step::seen(&prior.steps, spec.steps),
            allow_disruption: seen_text(&spec.allow_disruption),
            redeploy: seen_redeploy(&prior.redeploy, &spec.redeploy.unwrap_or_default()),
            wait_for: seen_text(&spec.wait_for),
            phase: machine.standing.clone().unwrap_or_default().phase.into(),
            // What the last planned change did; the server does not know which that was.
            disruption: prior.disruption.get().cloned().unwrap_or_else(|| "none".to_owned()).into(),
            pending: status.pending.into(),
            address: seen_text(&status.address),
            forwards: Attr::Value(status.forwards.into_iter().collect()),
            ssh_host_keys: status.ssh_host_keys.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, machine: &pb::Machine) -> Self {
        let fresh = Self::read(plan, machine);
        Self {
            id: fresh.id,
            incarnation: fresh.incarnation,
            hostname: settled(&plan.hostname, fresh.hostname),
            host: settled(&plan.host, fresh.host),
            phase: settled(&plan.phase, fresh.phase),
            disruption: fresh.disruption,
            pending: settled(&plan.pending, fresh.pending),
            address: settled(&plan.address, fresh.address),
            forwards: settled(&plan.forwards, fresh.forwards),
            ssh_host_keys: settled(&plan.ssh_host_keys, fresh.ssh_host_keys),
            ..plan.clone()
        }
    }
}

fn spec(plan: &Model, config: &Model, secret_values: Option<pb::SecretValues>) -> Fit<pb::MachineSpec> {
    Ok(pb::MachineSpec {
        hostname: plain(&plan.hostname)?,
        image: plain(&plan.image)?,
        // What the pool gave is in the plan and is nobody's wish.
        host: plain(&config.host)?,
        require: nested(&plan.require, claim::require)?,
        spread: nested(&plan.spread, claim::spread)?,
        root: nested(&plan.root, root)?,
        volumes: volumes::messages(&plan.volumes)?,
        network: nested(&plan.network, network::message)?,
        ssh_keys: plain(&plan.ssh_keys)?,
        allow_disruption: plain(&plan.allow_disruption)?,
        redeploy: nested(&plan.redeploy, redeploy)?,
        wait_for: plain(&plan.wait_for)?,
        user_data_digest: String::new(),
        profiles: plain(&plan.profiles)?,
        values: values::values("values", &plan.values)?,
        secret_values,
        steps: step::message(&plan.steps)?,
    })
}

pub(super) fn root(root: &Root) -> Fit<pb::RootHint> {
    Ok(pb::RootHint {
        kind: plain(&root.kind)?,
        min_size_bytes: bytes("root.min_size", &root.min_size)?,
        serial: plain(&root.serial)?,
        wwn: plain(&root.wwn)?,
        by_path: plain(&root.by_path)?,
    })
}

fn redeploy(redeploy: &Redeploy) -> Fit<pb::Redeploy> {
    Ok(pb::Redeploy {
        on: plain(&redeploy.on)?.into_iter().collect(),
        generation: plain(&redeploy.generation)?,
    })
}

/// The user data to send, and whether what is stored is to be forgotten. Write-only data is sent only with a new version:
/// else a change of it without one would slip in with something else.
fn user_data(plan: &Model, config: &Model, prior: Option<&Model>) -> Fit<(Option<String>, bool)> {
    if let Some(text) = nested(&plan.user_data, |text| Ok(text.clone()))? {
        return Ok((Some(text), false));
    }
    if let Some(text) = nested(&config.user_data_wo, |text| Ok(text.clone()))? {
        let is_new = prior.is_none_or(|prior| prior.user_data_wo_version != plan.user_data_wo_version);
        return Ok((Some(text).filter(|_| is_new), false));
    }
    let had = prior.is_some_and(|prior| prior.user_data.is_value() || prior.user_data_wo_version.is_value());
    Ok((None, had))
}

pub(super) fn seen_root(prior: &Attr<Root>, root: &pb::RootHint) -> Attr<Root> {
    let before = prior.clone().unwrap_or_default();
    let seen = Root {
        kind: seen_text(&root.kind),
        min_size: seen_bytes(&before.min_size, root.min_size_bytes),
        serial: seen_text(&root.serial),
        wwn: seen_text(&root.wwn),
        by_path: seen_text(&root.by_path),
    };
    if seen == Root::default() { prior.clone() } else { seen.into() }
}

/// Left out, it is the default.
fn seen_redeploy(prior: &Attr<Redeploy>, redeploy: &pb::Redeploy) -> Attr<Redeploy> {
    if prior.is_null() && redeploy.on == ["image"] && redeploy.generation <= 1 {
        return Attr::Null;
    }
    Redeploy {
        on: Attr::Value(redeploy.on.iter().cloned().collect()),
        generation: redeploy.generation.into(),
    }
    .into()
}

/// A key read from a file ends in a newline, which the server drops.
fn seen_keys(prior: &Attr<Vec<String>>, keys: Vec<String>) -> Attr<Vec<String>> {
    let written =
        prior.get().map(|keys| keys.iter().map(|key| key.trim_end().to_owned()).collect::<Vec<_>>());
    if written.as_ref() == Some(&keys) { prior.clone() } else { seen_list(prior, keys) }
}

/// The server never returns user data, only its digest. Other data than the state's reads as none, which plans it anew.
fn seen_user_data(prior: &Attr<String>, digest: &str) -> Attr<String> {
    let is_same = |text: &String| blake3::hash(text.as_bytes()).to_hex().as_str() == digest;
    prior.get().filter(|text| is_same(text)).cloned().into()
}
