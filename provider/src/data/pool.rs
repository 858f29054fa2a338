//! The data source `underlay_pool`.

use tfplugin::{Attr, Context, DataSource, Diagnostics, Schema, async_trait};
use underlay_proto::v1::{self as pb, selector::By};

use super::find::find;
use crate::{client::Session, written::seen_text};

/// A pool as it stands now, and how full it is.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// Name.
    #[tf(required)]
    pub name: Attr<String>,
    /// Owner; left out, the provider's.
    #[tf(optional, computed)]
    pub owner: Attr<String>,
    /// How many of its machines may be disrupted at once; null where there is no limit.
    #[tf(computed)]
    pub max_disrupted: Attr<String>,
    /// How many other hosts are tried for a machine that was never ready.
    #[tf(computed)]
    pub replacements: Attr<i64>,
    /// Hosts in it.
    #[tf(computed)]
    pub hosts: Attr<u64>,
    /// Of these, free to be claimed.
    #[tf(computed)]
    pub free: Attr<u64>,
    /// Claimed by machines.
    #[tf(computed)]
    pub claimed: Attr<u64>,
    /// Set aside.
    #[tf(computed)]
    pub quarantined: Attr<u64>,
    /// Machines that wait for a host of it.
    #[tf(computed)]
    pub waiting: Attr<u64>,
    /// Machines that are disrupted now.
    #[tf(computed)]
    pub disrupted: Attr<u64>,
}

/// The data source.
#[derive(Debug, Clone, Copy)]
pub struct Pool;

#[async_trait]
impl DataSource for Pool {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_pool"
    }

    async fn read(&self, cx: &mut Context<Session>, config: Model) -> Result<Model, Diagnostics> {
        let session = cx.data()?;
        let client = session.client()?;
        let mut key = client.key(config.name.require()?);
        if let Some(owner) = config.owner.get() {
            key.owner.clone_from(owner);
        }
        Ok(seen(find::<pb::Pool>(client, By::Key(key)).await?))
    }
}

fn seen(pool: pb::Pool) -> Model {
    let key = pool.meta.and_then(|meta| meta.key).unwrap_or_default();
    let spec = pool.spec.unwrap_or_default();
    let status = pool.status.unwrap_or_default();
    Model {
        name: key.name.into(),
        owner: key.owner.into(),
        max_disrupted: seen_text(&spec.max_disrupted),
        replacements: spec.replacements.map(i64::from).into(),
        hosts: status.hosts.into(),
        free: status.free.into(),
        claimed: status.claimed.into(),
        quarantined: status.quarantined.into(),
        waiting: status.waiting.into(),
        disrupted: status.disrupted.into(),
    }
}
