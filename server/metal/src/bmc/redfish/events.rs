//! Being told when something happens to a host: a subscription at its BMC's EventService (DSP0266 section 12).
//!
//! One per host, known by the host's id in its destination or its context, looked for now and then because BMCs lose them
//! when they restart. Others' subscriptions are never touched. A BMC without the service, or that refuses, is asked as
//! often as before; nothing depends on events.

use std::time::Duration;

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};
use underlay_core::{
    ObjectId, SecretString,
    bmc::{Error, event_path},
};

use super::{
    client::{Client, ROOT},
    model::{EventService, Root, Subscription},
    quirks,
};

/// How long a subscription, or the lack of the service, is believed in.
const CHECKED: Duration = Duration::from_secs(6 * 3600);
/// How many subscriptions are looked through.
const MOST: usize = 32;
/// How long a BMC may hold up that its host is forgotten.
const GOODBYE: Duration = Duration::from_secs(10);
/// Of what is worth a look. Older services want to be told, newer ones refuse to.
const TYPES: [&str; 2] = ["StatusChange", "Alert"];

/// The subscription of one host.
pub(super) struct Events {
    destination: SecretString,
    /// What every address of this host's events has in it, whatever else is.
    mark: String,
    context: String,
    checked: Mutex<Option<Instant>>,
}

/// What a BMC has of ours.
struct Found {
    /// Where more are made.
    list: String,
    types: Vec<String>,
    good: Option<String>,
    stale: Vec<String>,
}

impl Events {
    pub(super) fn new(host: ObjectId, destination: SecretString) -> Self {
        let (mark, context) = (event_path(host, ""), format!("underlay {host}"));
        Self { destination, mark, context, checked: Mutex::default() }
    }

    /// Makes the subscription, unless it is there.
    pub(super) async fn ensure(&self, client: &Client) -> Result<(), Error> {
        let mut checked = self.checked.lock().await;
        if checked.is_some_and(|at| at.elapsed() < CHECKED) {
            return Ok(());
        }
        let ensured = self.make(client).await;
        // A BMC that refuses is not asked at every occasion; one that had no time is.
        if !matches!(ensured, Err(Error::Unreachable { .. } | Error::Busy { .. })) {
            *checked = Some(Instant::now());
        }
        ensured
    }

    async fn make(&self, client: &Client) -> Result<(), Error> {
        let Some(found) = self.find(client).await? else { return Ok(()) };
        for path in &found.stale {
            client.delete(path).await?;
        }
        match found.good {
            Some(_) => Ok(()),
            None => self.subscribe(client, &found).await,
        }
    }

    /// Takes it away, as far as the BMC lets us.
    pub(super) async fn end(&self, client: &Client) {
        let ended = tokio::time::timeout(GOODBYE, async {
            let Some(found) = self.find(client).await? else { return Ok(()) };
            for path in found.good.iter().chain(&found.stale) {
                client.delete(path).await?;
            }
            Ok::<_, Error>(())
        });
        *self.checked.lock().await = None;
        match ended.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = underlay_core::because(&error), "a subscription is left behind");
            }
            Err(_) => tracing::debug!("a subscription is left behind: its BMC takes too long"),
        }
    }

    /// What there is of ours; `None` where the BMC sends no events.
    async fn find(&self, client: &Client) -> Result<Option<Found>, Error> {
        let (root, _) = client.get::<Root>(ROOT).await?;
        let service = root.event_service.as_ref().and_then(|link| link.get("@odata.id")?.as_str());
        let Some(service) = service else { return Ok(None) };
        let (service, _) = client.get::<EventService>(service).await?;
        let Some(list) = service.subscriptions.filter(|_| service.service_enabled != Some(false)) else {
            return Ok(None);
        };
        let mut found = Found {
            list: list.path,
            types: service.event_types_for_subscription,
            good: None,
            stale: Vec::new(),
        };
        for path in client.members(&found.list).await?.into_iter().take(MOST) {
            let subscription = match client.get::<Subscription>(&path).await {
                Ok((subscription, _)) => subscription,
                // Somebody else's, which we cannot read.
                Err(Error::Nonsense { .. } | Error::Refused { .. } | Error::Unsupported { .. }) => continue,
                Err(error) => return Err(error),
            };
            if !self.is_ours(&subscription) {
                continue;
            }
            let is_good = subscription.destination.as_deref() == Some(self.destination.expose_secret());
            match &found.good {
                None if is_good => found.good = Some(path),
                _ => found.stale.push(path),
            }
        }
        Ok(Some(found))
    }

    fn is_ours(&self, subscription: &Subscription) -> bool {
        subscription.destination.as_ref().is_some_and(|url| url.contains(&self.mark))
            || subscription.context.as_deref() == Some(&self.context)
    }

    async fn subscribe(&self, client: &Client, found: &Found) -> Result<(), Error> {
        let types: Vec<&str> =
            TYPES.into_iter().filter(|name| found.types.iter().any(|known| known == name)).collect();
        let (url, context) = (self.destination.expose_secret(), &self.context);
        let plain = json!({ "Destination": url, "Protocol": "Redfish", "Context": context });
        let typed =
            json!({ "Destination": url, "Protocol": "Redfish", "Context": context, "EventTypes": types });
        let wishes: [Option<Value>; 2] = [(!types.is_empty()).then_some(typed), Some(plain)];
        let mut last = None;
        for wish in wishes.into_iter().flatten() {
            let reply = client.write(Method::POST, &found.list, &wish, None).await?;
            if reply.status.is_success() {
                return Ok(());
            }
            // What it says of it may hold the address, which is a secret.
            last = Some(client.unsupported("send its events", reply.status.to_string()));
            if !quirks::is_rejected(reply.status) {
                break;
            }
        }
        last.map_or(Ok(()), Err)
    }
}
