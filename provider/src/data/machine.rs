//! The data source `underlay_machine`.

use std::collections::BTreeMap;

use tfplugin::{Attr, Context, DataSource, Diagnostics, Schema, async_trait};
use underlay_proto::v1::{self as pb, selector::By};

use super::find::find;
use crate::{
    client::Session,
    facts::{Hardware, hardware},
    written::seen_text,
};

/// A machine as it stands now.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// Name.
    #[tf(required)]
    pub name: Attr<String>,
    /// Owner; left out, the provider's.
    #[tf(optional, computed)]
    pub owner: Attr<String>,
    /// The server's id.
    #[tf(computed)]
    pub id: Attr<String>,
    /// Host name of the installed system.
    #[tf(computed)]
    pub hostname: Attr<String>,
    /// The image it is to run.
    #[tf(computed)]
    pub image: Attr<String>,
    /// The image that is on its disk; null when none is.
    #[tf(computed)]
    pub deployed_image: Attr<String>,
    /// The host it holds.
    #[tf(computed)]
    pub host: Attr<String>,
    /// Where it stands.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// What it waits for; null when it waits for nothing.
    #[tf(computed)]
    pub waiting_for: Attr<String>,
    /// Why it failed; null when it did not.
    #[tf(computed)]
    pub failure: Attr<String>,
    /// What differs from the configuration and waits until `redeploy.generation` is raised.
    #[tf(computed)]
    pub pending: Attr<Vec<String>>,
    /// The address the installed system called from.
    #[tf(computed)]
    pub address: Attr<String>,
    /// Where forwarded guest ports are reachable, by guest port.
    #[tf(computed)]
    pub forwards: Attr<BTreeMap<String, String>>,
    /// SSH host keys that the installed system announced.
    #[tf(computed)]
    pub ssh_host_keys: Attr<Vec<String>>,
    /// How often an image was put onto a disk for it.
    #[tf(computed)]
    pub deployments: Attr<u64>,
    /// What the agent found on the host.
    #[tf(computed)]
    pub hardware: Attr<Hardware>,
}

/// The data source.
#[derive(Debug, Clone, Copy)]
pub struct Machine;

#[async_trait]
impl DataSource for Machine {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_machine"
    }

    async fn read(&self, cx: &mut Context<Session>, config: Model) -> Result<Model, Diagnostics> {
        let session = cx.data()?;
        let client = session.client()?;
        let mut key = client.key(config.name.require()?);
        if let Some(owner) = config.owner.get() {
            key.owner.clone_from(owner);
        }
        let machine = find::<pb::Machine>(client, By::Key(key)).await?;
        Ok(seen(machine))
    }
}

fn seen(machine: pb::Machine) -> Model {
    let meta = machine.meta.unwrap_or_default();
    let key = meta.key.unwrap_or_default();
    let spec = machine.spec.unwrap_or_default();
    let status = machine.status.unwrap_or_default();
    let standing = machine.standing.unwrap_or_default();
    Model {
        name: key.name.into(),
        owner: key.owner.into(),
        id: meta.id.into(),
        hostname: seen_text(&spec.hostname),
        image: seen_text(&spec.image),
        deployed_image: seen_text(&status.deployed_image),
        host: seen_text(&status.host),
        phase: standing.phase.into(),
        waiting_for: seen_text(&standing.waiting_for),
        failure: standing.failure.map(|failure| format!("{}: {}", failure.what, failure.why)).into(),
        pending: status.pending.into(),
        address: seen_text(&status.address),
        forwards: Attr::Value(status.forwards.into_iter().collect()),
        ssh_host_keys: status.ssh_host_keys.into(),
        deployments: status.deployments.into(),
        hardware: hardware(status.inventory.as_ref()),
    }
}
