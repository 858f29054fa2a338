//! Which objects are meant: by owner, site, labels, pool, state, and whether something is wrong with them.
//!
//! Owners, sites and labels are asked of the server; the rest is looked at here, as objects arrive. A machine has the
//! labels and the pool of the host it is on.

use std::collections::{HashMap, HashSet};

use clap::Args;
use underlay_proto::v1::{self, ListRequest};

use super::{
    member::{Member, PAGE},
    row::Row,
};
use crate::{
    connect::{Connection, Target},
    exit::Error,
};

/// What narrows a fleet.
#[derive(Args, Clone, Debug, Default)]
pub struct Choice {
    /// Objects of every owner
    #[arg(short, long)]
    pub all_owners: bool,
    /// Objects of every site
    #[arg(long)]
    pub every_site: bool,
    /// Only hosts with this label, and machines on them
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Only hosts of this pool, and machines that are on one or want one
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    /// Only objects in this state; may be given more than once
    #[arg(long, value_name = "PHASE")]
    pub phase: Vec<String>,
    /// Only objects that somebody has to look at: failed, failing, or not as they should be
    #[arg(long)]
    pub trouble: bool,
}

/// The same, as it can be asked of objects.
#[derive(Debug, Default)]
pub struct Chosen {
    /// What is asked of the server.
    pub request: ListRequest,
    pool: Option<String>,
    phases: Vec<String>,
    trouble: bool,
    /// For machines: ids and names of the hosts they may be on.
    hosts: Option<Hosts>,
}

#[derive(Debug, Default)]
struct Hosts {
    /// Were they chosen by label, which a machine without a host has none of?
    by_label: bool,
    ids: HashSet<String>,
    names: HashSet<String>,
}

impl Choice {
    /// Reads it for objects of a noun. For machines by label or pool that lists the hosts.
    ///
    /// # Errors
    /// A label that is none, or the server's.
    pub async fn read<N: Member>(&self, connection: &Connection, target: &Target) -> Result<Chosen, Error> {
        let labels = labels(&self.label)?;
        let unless = |all: bool, name: &str| if all { String::new() } else { name.to_owned() };
        let request = ListRequest {
            site: unless(self.every_site, &target.site),
            owner: unless(self.all_owners, &target.owner),
            labels,
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut chosen = Chosen { request, pool: self.pool.clone(), ..Chosen::of_rows(self) };
        if N::KINDS == v1::Machine::KINDS && (!self.label.is_empty() || self.pool.is_some()) {
            chosen.hosts = Some(self.hosts(connection, &chosen.request).await?);
            chosen.request.labels = HashMap::new();
        }
        Ok(chosen)
    }

    async fn hosts(&self, connection: &Connection, request: &ListRequest) -> Result<Hosts, Error> {
        // A machine may be on a host of another owner.
        let mut request = ListRequest { owner: String::new(), ..request.clone() };
        let mut hosts = Hosts { by_label: !self.label.is_empty(), ..Hosts::default() };
        loop {
            let (page, next) = v1::Host::page(connection.clone(), request.clone()).await?;
            for host in
                page.into_iter().filter(|host| self.pool.as_deref().is_none_or(|pool| pool == host.pool()))
            {
                let Some(meta) = host.meta else { continue };
                hosts.names.extend(meta.key.map(|key| key.name));
                hosts.ids.insert(meta.id);
            }
            if next.is_empty() {
                return Ok(hosts);
            }
            request.page_token = next;
        }
    }
}

impl Chosen {
    /// What [`Chosen::shows`] needs of a choice.
    pub fn of_rows(choice: &Choice) -> Self {
        Self { phases: choice.phase.clone(), trouble: choice.trouble, ..Self::default() }
    }

    /// Is this one meant, as far as it does not change while it is watched?
    pub fn has<N: Member>(&self, object: &N) -> bool {
        let Some(hosts) = &self.hosts else {
            return self.pool.as_deref().is_none_or(|pool| pool == object.pool());
        };
        match object.host() {
            Some(("", name)) => hosts.names.contains(name),
            Some((id, _)) => hosts.ids.contains(id),
            // It has none yet: what it wants counts.
            None => !hosts.by_label && self.pool.as_deref() == Some(object.pool()),
        }
    }

    /// Is it in a state that was asked for?
    pub fn shows(&self, row: &Row) -> bool {
        (self.phases.is_empty() || self.phases.contains(&row.phase)) && (!self.trouble || row.is_in_trouble())
    }
}

fn labels(given: &[String]) -> Result<HashMap<String, String>, Error> {
    let pair = |text: &String| {
        let (key, value) =
            text.split_once('=').ok_or_else(|| Error::Usage(format!("\"{text}\" is not KEY=VALUE")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    given.iter().map(pair).collect()
}
