//! The data source `underlay_hosts`: a query.

use std::collections::BTreeMap;

use tfplugin::{Attr, Context, DataSource, Diagnostics, Schema, async_trait};
use underlay_proto::v1 as pb;

use super::host;
use crate::{
    client::{Client, Session},
    errors::{Act, explain},
    facts::Hardware,
    noun::Noun,
};

/// Hosts per page.
const PAGE: i32 = 500;

/// The hosts that match, by name.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// Only hosts of this pool.
    #[tf(optional)]
    pub pool: Attr<String>,
    /// Only hosts with all of these labels.
    #[tf(optional)]
    pub labels: Attr<BTreeMap<String, String>>,
    /// Only hosts of this owner; left out, of every owner.
    #[tf(optional)]
    pub owner: Attr<String>,
    /// The hosts, by name.
    #[tf(computed)]
    pub hosts: Attr<Vec<Found>>,
}

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Found {
    /// Name.
    #[tf(computed)]
    pub name: Attr<String>,
    /// Owner.
    #[tf(computed)]
    pub owner: Attr<String>,
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
    /// What the agent found at its last visit; null before the first.
    #[tf(computed)]
    pub hardware: Attr<Hardware>,
}

/// The data source.
#[derive(Debug, Clone, Copy)]
pub struct Hosts;

#[async_trait]
impl DataSource for Hosts {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_hosts"
    }

    async fn read(&self, cx: &mut Context<Session>, mut config: Model) -> Result<Model, Diagnostics> {
        let session = cx.data()?;
        let mut hosts = list(session.client()?, &config).await?;
        hosts.retain(|host| {
            let pool = host.spec.as_ref().map(|spec| spec.pool.as_str());
            config.pool.get().is_none_or(|wanted| pool == Some(wanted))
        });
        let mut found: Vec<_> = hosts.into_iter().map(row).collect();
        found.sort_by(|a, b| (a.name.as_str(), a.owner.as_str()).cmp(&(b.name.as_str(), b.owner.as_str())));
        config.hosts = found.into();
        Ok(config)
    }
}

async fn list(client: &Client, config: &Model) -> Result<Vec<pb::Host>, Diagnostics> {
    let mut request = pb::ListRequest {
        site: client.site().to_owned(),
        owner: config.owner.as_str().to_owned(),
        labels: config.labels.clone().unwrap_or_default().into_iter().collect(),
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut all = Vec::new();
    loop {
        let act = Act { verb: "list", kind: "hosts", name: "", attributes: &[] };
        let page = pb::Host::list(client, request.clone()).await;
        let (hosts, token) = page.map_err(|status| explain(client, act, &status))?;
        all.extend(hosts);
        if token.is_empty() {
            return Ok(all);
        }
        request.page_token = token;
    }
}

fn row(host: pb::Host) -> Found {
    let host::Model { name, owner, id, pool, labels, phase, power, machine, hardware, .. } =
        host::seen(&host::Model::default(), host);
    Found { name, owner, id, pool, labels, phase, power, machine, hardware }
}
