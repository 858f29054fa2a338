//! The data source `underlay_host`.

use std::collections::BTreeMap;

use tfplugin::{Attr, Context, DataSource, Diagnostic, Diagnostics, Schema, async_trait};
use underlay_proto::v1::{self as pb, selector::By};

use super::find::find;
use crate::{
    client::Session,
    facts::{Hardware, hardware},
    written::seen_text,
};

/// A host as it stands now.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// Name. Give one of `name`, `mac`, `serial` and `uuid`.
    #[tf(optional, computed)]
    pub name: Attr<String>,
    /// The owner of the host that `name` names; left out, the provider's.
    #[tf(optional, computed)]
    pub owner: Attr<String>,
    /// A MAC address of the host.
    #[tf(optional)]
    pub mac: Attr<String>,
    /// SMBIOS system serial number.
    #[tf(optional)]
    pub serial: Attr<String>,
    /// SMBIOS system UUID.
    #[tf(optional)]
    pub uuid: Attr<String>,
    /// The server's id.
    #[tf(computed)]
    pub id: Attr<String>,
    /// The pool it belongs to.
    #[tf(computed)]
    pub pool: Attr<String>,
    /// Labels.
    #[tf(computed)]
    pub labels: Attr<BTreeMap<String, String>>,
    /// Where it stands.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// `on`, `off` or `unknown`, as last observed.
    #[tf(computed)]
    pub power: Attr<String>,
    /// The machine that holds it; null when it is free.
    #[tf(computed)]
    pub machine: Attr<String>,
    /// The MAC address it boots over.
    #[tf(computed)]
    pub boot_mac: Attr<String>,
    /// Where forwarded guest ports are reachable, by guest port.
    #[tf(computed)]
    pub forwards: Attr<BTreeMap<String, String>>,
    /// What is as it should be, and what is not.
    #[tf(computed)]
    pub conditions: Attr<Vec<Condition>>,
    /// What the agent found at its last visit; null before the first.
    #[tf(computed)]
    pub hardware: Attr<Hardware>,
    /// The agent that lives on its installed system; null where there is none.
    #[tf(computed)]
    pub resident: Attr<Resident>,
}

/// The agent that lives on an installed system, and what it says of it.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Resident {
    /// Whether its line to the server is open.
    #[tf(computed)]
    pub connected: Attr<bool>,
    /// The system's name.
    #[tf(computed)]
    pub hostname: Attr<String>,
    /// What the system calls itself, such as `Debian GNU/Linux 12 (bookworm)`.
    #[tf(computed)]
    pub os: Attr<String>,
    /// The kernel's release.
    #[tf(computed)]
    pub kernel: Attr<String>,
    /// The kernel's id of this boot: another one after each restart.
    #[tf(computed)]
    pub boot_id: Attr<String>,
    /// When the system was started, by its own clock, in RFC 3339.
    #[tf(computed)]
    pub up_since: Attr<String>,
    /// Version of the agent.
    #[tf(computed)]
    pub agent_version: Attr<String>,
}

/// One thing that holds true, or does not.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Condition {
    /// `Reachable`, `IdentityVerified`, `IdentityUnique`, `DisksHealthy`, `Resident`, `Quarantined` or `Intruder`.
    #[tf(computed)]
    pub name: Attr<String>,
    /// Whether that is as it should be.
    #[tf(computed)]
    pub good: Attr<bool>,
    /// Why.
    #[tf(computed)]
    pub reason: Attr<String>,
}

/// The data source.
#[derive(Debug, Clone, Copy)]
pub struct Host;

#[async_trait]
impl DataSource for Host {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_host"
    }

    async fn read(&self, cx: &mut Context<Session>, config: Model) -> Result<Model, Diagnostics> {
        let session = cx.data()?;
        let client = session.client()?;
        let mut key = client.key(config.name.as_str());
        if let Some(owner) = config.owner.get() {
            key.owner.clone_from(owner);
        }
        let ways = [
            config.name.get().map(|_| By::Key(key)),
            config.mac.get().cloned().map(By::Mac),
            config.serial.get().cloned().map(By::Serial),
            config.uuid.get().cloned().map(By::Uuid),
        ];
        let mut ways = ways.into_iter().flatten();
        let (Some(by), None) = (ways.next(), ways.next()) else {
            let detail = "Give exactly one of name, mac, serial and uuid.";
            return Err(Diagnostic::error("Which host is meant is not clear", detail).into());
        };
        let host = find::<pb::Host>(client, by).await?;
        Ok(seen(&config, host))
    }
}

/// A host as it stands now.
pub(super) fn seen(config: &Model, host: pb::Host) -> Model {
    let key = host.meta.clone().and_then(|meta| meta.key).unwrap_or_default();
    let spec = host.spec.unwrap_or_default();
    let status = host.status.unwrap_or_default();
    let condition = |condition: pb::Condition| Condition {
        name: condition.name.into(),
        good: condition.good.into(),
        reason: seen_text(&condition.reason),
    };
    Model {
        name: key.name.into(),
        owner: key.owner.into(),
        mac: config.mac.clone(),
        serial: config.serial.clone(),
        uuid: config.uuid.clone(),
        id: host.meta.map(|meta| meta.id).into(),
        pool: seen_text(&spec.pool),
        labels: Attr::Value(spec.labels.into_iter().collect()),
        phase: host.standing.map(|standing| standing.phase).into(),
        power: seen_text(&status.power),
        machine: seen_text(&status.machine),
        boot_mac: seen_text(&status.boot_mac),
        forwards: Attr::Value(status.forwards.into_iter().collect()),
        conditions: status.conditions.into_iter().map(condition).collect::<Vec<_>>().into(),
        hardware: hardware(status.inventory.as_ref()),
        resident: status.resident.map(resident).into(),
    }
}

fn resident(resident: pb::Resident) -> Resident {
    let system = resident.system.unwrap_or_default();
    Resident {
        connected: resident.connected.into(),
        hostname: seen_text(&system.hostname),
        os: seen_text(&system.os),
        kernel: seen_text(&system.kernel),
        boot_id: seen_text(&system.boot_id),
        up_since: system.up_since.map(|at| at.to_string()).into(),
        agent_version: seen_text(&system.agent),
    }
}
