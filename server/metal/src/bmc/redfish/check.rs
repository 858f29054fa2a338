//! Looking at a BMC before it is trusted with anything: reads, one after the other, and what they say of our wishes.
//!
//! Only GET is sent, but for the login and its end. What is read is bounded in number and size; a resource that does not
//! read is noted and passed over.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;
use underlay_core::{
    bmc::Error,
    check::{Check, Looked},
};

use super::{Redfish, client::ROOT, findings, model::Root, scrub};

/// So many resources are read at most.
const MOST: usize = 160;
/// So much of them, in bytes.
const LARGEST: usize = 4 << 20;
/// Of a collection so many.
const OF_ONE: usize = 16;
/// However much is left, it ends then.
const LONGEST: Duration = Duration::from_secs(240);

/// What a resource is to us, and so which of its links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Root,
    System,
    Manager,
    Chassis,
    Adapter,
    Storage,
    Accounts,
    /// Its members are of this sort.
    List(&'static Sort),
    Leaf,
}

/// A resource as it was read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) path: String,
    pub(super) sort: Sort,
    pub(super) status: u16,
    /// `ETag` and `Allow`, where they are sent.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
    pub(super) took: Duration,
}

/// A look that goes on.
pub struct Looking {
    redfish: Redfish,
    began: Option<Instant>,
    todo: VecDeque<(String, Sort)>,
    seen: BTreeSet<String>,
    read: Vec<Read>,
    size: usize,
}

impl Looking {
    /// A look at what `redfish` leads to. Nothing is asked yet.
    pub fn at(redfish: Redfish) -> Self {
        let todo = VecDeque::from([(ROOT.to_owned(), Sort::Root)]);
        let (seen, read) = (BTreeSet::from([ROOT.trim_end_matches('/').to_owned()]), Vec::new());
        Self { redfish, began: None, todo, seen, read, size: 0 }
    }

    /// Reads one more resource. `false`: there is no more to read.
    ///
    /// # Errors
    /// The BMC does not answer, or refuses us; or its service root does not read.
    pub async fn step(&mut self) -> Result<bool, Error> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let enough = self.read.len() >= MOST || self.size >= LARGEST || began.elapsed() >= LONGEST;
        let Some((path, sort)) = self.todo.pop_front().filter(|_| !enough) else { return Ok(false) };
        let looked = self.redfish.client.look(&path).await;
        let (read, size) = match looked {
            Ok(looked) => looked.read(path, sort),
            // A link that leads nowhere is the BMC's affair, unless it is the first.
            Err(error @ (Error::Nonsense { .. } | Error::Unsupported { .. })) if !self.read.is_empty() => {
                tracing::debug!(%error, "a resource is passed over");
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        if sort == Sort::Root {
            let root: Root = serde_json::from_value(read.body.clone())
                .map_err(|error| self.redfish.client.nonsense("GET /redfish/v1/", error.to_string()))?;
            self.redfish.client.detect(&root).await?;
        }
        for (path, sort) in follow(sort, &read.body) {
            if self.seen.insert(path.trim_end_matches('/').to_owned()) {
                self.todo.push_back((path, sort));
            }
        }
        self.size += size;
        self.read.push(read);
        Ok(true)
    }

    /// What was found. Its session is ended.
    pub async fn end(self) -> Check {
        let (client, quirks) = (&self.redfish.client, self.redfish.client.quirks());
        let login = client.login_is().await;
        client.log_out().await;
        // It may be megabytes of text, each searched for hundreds of words.
        let (read, user) = (self.read.clone(), client.login().user);
        let recorded = tokio::task::spawn_blocking(move || scrub::recording(quirks, &user, &read));
        Check {
            address: client.address().to_owned(),
            make: quirks.name.to_owned(),
            login,
            certificate: client.certificate(),
            findings: findings::findings(quirks, login, &self.read),
            looked: self.read.iter().map(Looked::from).collect(),
            recording: recorded.await.unwrap_or_default(),
        }
    }
}

impl From<&Read> for Looked {
    fn from(read: &Read) -> Self {
        Looked { path: read.path.chars().take(200).collect(), status: read.status, took: read.took }
    }
}

/// The links of a resource that are followed.
fn follow(sort: Sort, body: &Value) -> Vec<(String, Sort)> {
    let one = |pointer: &str, sort: Sort| {
        let path = body.pointer(pointer)?.get("@odata.id")?.as_str()?;
        Some((path.to_owned(), sort))
    };
    let many = |value: Option<&Value>, sort: Sort| {
        let links = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let path = |link: &Value| Some((link.get("@odata.id")?.as_str()?.to_owned(), sort));
        links.iter().take(OF_ONE).filter_map(path).collect::<Vec<_>>()
    };
    let info = body.pointer("/Actions/#ComputerSystem.Reset/@Redfish.ActionInfo").and_then(Value::as_str);
    match sort {
        Sort::Root => [
            one("/Systems", Sort::List(&Sort::System)),
            one("/Managers", Sort::List(&Sort::Manager)),
            one("/Chassis", Sort::List(&Sort::Chassis)),
            one("/SessionService", Sort::Leaf),
            one("/EventService", Sort::Leaf),
            one("/AccountService", Sort::Accounts),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Sort::System => [
            info.map(|path| (path.to_owned(), Sort::Leaf)),
            one("/@Redfish.Settings/SettingsObject", Sort::Leaf),
            one("/EthernetInterfaces", Sort::List(&Sort::Leaf)),
            one("/Storage", Sort::List(&Sort::Storage)),
            one("/VirtualMedia", Sort::List(&Sort::Leaf)),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Sort::Manager => one("/VirtualMedia", Sort::List(&Sort::Leaf)).into_iter().collect(),
        Sort::Chassis => one("/NetworkAdapters", Sort::List(&Sort::Adapter)).into_iter().collect(),
        Sort::Adapter => one("/Ports", Sort::List(&Sort::Leaf)).into_iter().collect(),
        Sort::Storage => many(body.get("Drives"), Sort::Leaf),
        Sort::Accounts => one("/Accounts", Sort::List(&Sort::Leaf)).into_iter().collect(),
        Sort::List(of) => many(body.get("Members"), *of),
        Sort::Leaf => Vec::new(),
    }
}
