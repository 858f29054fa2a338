//! Machine on the wire, both ways; the installed system's network is in `machine_network.rs`,
//! how it says which host it is to have in `claim.rs`.

use underlay_core::{
    Bytes, FieldError, Key, Object,
    machine::{Aspect, Disruption, Machine, Redeploy, RootHint, Spec, WaitFor},
};
use underlay_proto::v1 as pb;

use super::{claim, faults::Faults, inventory, machine_network, object, step, values, volumes};

const WAIT_FOR: [(&str, WaitFor); 2] = [("booted", WaitFor::Booted), ("written", WaitFor::Written)];
/// The longest public key, in bytes.
const SSH_KEY: usize = 16 << 10;

/// Reads a spec; `key` gives the host name where none is given.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::MachineSpec, key: &Key) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let hostname = faults.optional("hostname", message.hostname).unwrap_or_else(|| key.name.to_string());
    let host = Some(faults.text("host", message.host, 512)).filter(|host| !host.is_empty());
    let require = message.require.map(|require| claim::require(&mut faults, require));
    let spread = message.spread.map(|spread| claim::spread(&mut faults, spread));
    if host.is_none() && require.is_none() {
        faults.add(
            "host",
            "name the host to claim: host = underlay_host.NAME.name, or say what it must be: require = { pool = .. }",
        );
    }
    let ssh_keys = faults
        .list("ssh_keys", message.ssh_keys)
        .into_iter()
        .enumerate()
        .map(|(at, line)| faults.text(&format!("ssh_keys.{at}"), line.trim_end().to_owned(), SSH_KEY))
        .collect();
    let user_data_digest = faults.optional("user_data", message.user_data_digest);
    if user_data_digest.as_ref().is_some_and(|digest| !is_digest(digest)) {
        faults.add("user_data", "its digest must be 64 hexadecimal digits");
    }
    let spec = Spec {
        hostname,
        image: faults.text("image", message.image, 512),
        host,
        require,
        spread,
        root: hint(&mut faults, "root", message.root.unwrap_or_default()),
        volumes: volumes::volumes(&mut faults, message.volumes),
        network: message.network.map(|network| machine_network::network(&mut faults, network)),
        ssh_keys,
        user_data_digest,
        profiles: profiles(&mut faults, message.profiles),
        values: values::values(&mut faults, "values", message.values),
        secret_values: message.secret_values.map(|secrets| values::secret_values(&mut faults, secrets)),
        steps: step::steps(&mut faults, message.steps),
        allow_disruption: faults
            .parse_optional("allow_disruption", &message.allow_disruption)
            .unwrap_or(Disruption::Reboot),
        redeploy: message.redeploy.map(|message| redeploy(&mut faults, message)).unwrap_or_default(),
        wait_for: faults.word("wait_for", &message.wait_for, &WAIT_FOR, WaitFor::Booted),
    };
    faults.into_result(Some(spec))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn profiles(faults: &mut Faults, names: Vec<String>) -> Vec<String> {
    let names = faults.list("profiles", names).into_iter().enumerate();
    names.map(|(at, name)| faults.text(&format!("profiles.{at}"), name, 512)).collect()
}

/// Reads which disk is meant; `at` is where that stands.
pub(super) fn hint(faults: &mut Faults, at: &str, message: pb::RootHint) -> RootHint {
    let mut optional = |field: &str, text| faults.optional(&format!("{at}.{field}"), text);
    RootHint {
        kind: optional("kind", message.kind),
        min_size: Some(Bytes(message.min_size_bytes)).filter(|size| size.0 != 0),
        serial: optional("serial", message.serial),
        wwn: optional("wwn", message.wwn),
        by_path: optional("by_path", message.by_path),
    }
}

fn redeploy(faults: &mut Faults, message: pb::Redeploy) -> Redeploy {
    let on = faults
        .list("redeploy.on", message.on)
        .iter()
        .enumerate()
        .filter_map(|(at, aspect)| faults.parse::<Aspect>(&format!("redeploy.on.{at}"), aspect))
        .collect();
    Redeploy { on, generation: if message.generation == 0 { 1 } else { message.generation } }
}

/// Spells a root hint; agents are told in the same words.
pub(crate) fn root_message(root: &RootHint) -> pb::RootHint {
    pb::RootHint {
        kind: root.kind.clone().unwrap_or_default(),
        min_size_bytes: root.min_size.unwrap_or_default().0,
        serial: root.serial.clone().unwrap_or_default(),
        wwn: root.wwn.clone().unwrap_or_default(),
        by_path: root.by_path.clone().unwrap_or_default(),
    }
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::MachineSpec {
    let wait_for = match spec.wait_for {
        WaitFor::Booted => "booted",
        WaitFor::Written => "written",
    };
    pb::MachineSpec {
        hostname: spec.hostname.clone(),
        image: spec.image.clone(),
        host: spec.host.clone().unwrap_or_default(),
        require: spec.require.as_ref().map(claim::require_message),
        spread: spec.spread.as_ref().map(claim::spread_message),
        root: Some(root_message(&spec.root)),
        volumes: volumes::message(&spec.volumes),
        network: spec.network.as_ref().map(machine_network::message),
        ssh_keys: spec.ssh_keys.clone(),
        allow_disruption: spec.allow_disruption.to_string(),
        redeploy: Some(pb::Redeploy {
            on: spec.redeploy.on.iter().map(|aspect| aspect.as_str().to_owned()).collect(),
            generation: spec.redeploy.generation,
        }),
        wait_for: wait_for.to_owned(),
        user_data_digest: spec.user_data_digest.clone().unwrap_or_default(),
        profiles: spec.profiles.clone(),
        values: values::message(&spec.values),
        secret_values: spec.secret_values.as_ref().map(values::secret_message),
        steps: step::steps_message(&spec.steps),
    }
}

fn status_message(machine: &Object<Machine>) -> pb::MachineStatus {
    let status = &machine.status;
    let (written_bytes, written_millis) = status.written.unwrap_or_default();
    pb::MachineStatus {
        host_id: status.host.map(|id| id.to_string()).unwrap_or_default(),
        host: status.host_name.clone().unwrap_or_default(),
        inventory: status.inventory.as_ref().map(inventory::message),
        address: status.address.clone().unwrap_or_default(),
        forwards: status.forwards.clone().into_iter().collect(),
        ssh_host_keys: status.ssh_host_keys.clone(),
        root_disk: status.root_disk.clone().unwrap_or_default(),
        written_bytes,
        written_millis,
        pending: status.pending.iter().map(|aspect| aspect.as_str().to_owned()).collect(),
        deployments: status.deployments,
        given_up: status.given_up.clone(),
        steps: status.steps.iter().map(step::record).collect(),
        deployed_image: machine.state.deployed().map(|deployed| deployed.image.clone()).unwrap_or_default(),
    }
}

/// Spells a machine.
pub(crate) fn message(machine: &Object<Machine>) -> pb::Machine {
    pb::Machine {
        meta: Some(object::meta(&machine.meta)),
        spec: Some(spec_message(&machine.spec)),
        status: Some(status_message(machine)),
        standing: Some(object::standing(machine)),
    }
}
