//! The wishes of a Redfish host.

use std::{
    collections::BTreeSet,
    sync::{Mutex as Held, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};
use underlay_core::{
    Mac, ObjectId, SecretString,
    bmc::{Accounts, Bmc, Error, Login, MediaUrl, Observation, Power, Target, VirtualMedia},
    host::{self, Facts},
};

use super::{
    asked::Asked,
    client::{Client, ROOT},
    drives::Drives,
    events::Events,
    media::Media,
    model::{ActionInfo, Interface, Reset, Root, System},
    quirks::{self, Quirks},
};

/// How long the NICs that were read are believed to be there.
const NICS: Duration = Duration::from_secs(3600);

/// The driver of one Redfish host.
pub struct Redfish {
    pub(super) client: Client,
    system: Option<String>,
    pub(super) mode: host::Firmware,
    /// The path of its ComputerSystem, once found.
    path: Mutex<Option<String>>,
    asked: Held<Asked>,
    nics: Mutex<Nics>,
    drives: Drives,
    media: Media,
    events: Option<Events>,
}

/// Its NICs, as far as they were read.
#[derive(Default)]
struct Nics {
    begun: Option<Instant>,
    unread: Vec<String>,
    macs: BTreeSet<Mac>,
}

/// A ComputerSystem as just read.
pub(super) struct Found {
    pub(super) path: String,
    pub(super) etag: Option<String>,
    pub(super) system: System,
}

impl Redfish {
    /// The driver of a BMC; nothing is contacted yet. `pinned` is the certificate (SHA-256, hex) that it must show
    /// where the spec says to pin; without one, the first it shows is pinned and reported.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address or a CA that does not read.
    pub fn new(
        bmc: &host::Redfish,
        boot: &host::Boot,
        login: Login,
        pinned: Option<String>,
    ) -> Result<Self, Error> {
        let client = Client::new(bmc, login, pinned)?;
        Ok(Self {
            client,
            system: bmc.system.clone(),
            mode: boot.mode,
            path: Mutex::default(),
            asked: Held::default(),
            nics: Mutex::default(),
            drives: Drives::default(),
            media: Media::default(),
            events: None,
        })
    }

    /// The same, which has the BMC send events of `host` to `destination`.
    #[must_use]
    pub fn telling(mut self, host: ObjectId, destination: SecretString) -> Self {
        self.events = Some(Events::new(host, destination));
        self
    }

    /// By what is known its BMC takes one of these logins, and the first is tried first.
    pub fn takes_one_of(&self, first: Login, second: Option<Login>) {
        self.client.takes_one_of([first].into_iter().chain(second).collect());
    }

    /// The same, which also asks once for the drives.
    #[must_use]
    pub fn inspecting_drives(mut self) -> Self {
        self.drives = Drives::wanted();
        self
    }

    /// The same, which takes the BMC for one of that make, whatever it says.
    #[must_use]
    pub fn of_make(self, quirks: &'static Quirks) -> Self {
        self.client.is_one_of(quirks);
        self
    }

    /// Ends its session, if it has one. A later call opens another.
    pub async fn log_out(&self) {
        self.client.log_out().await;
    }

    /// SHA-256 of the certificate the BMC has shown or must show, where it is pinned.
    pub fn certificate(&self) -> Option<String> {
        self.client.certificate()
    }

    pub(super) async fn read(&self) -> Result<Found, Error> {
        let mut known = self.path.lock().await;
        let path = match known.as_ref() {
            Some(path) => path.clone(),
            None => known.insert(self.find().await?).clone(),
        };
        let (system, etag) = match self.client.get::<System>(&path).await {
            Ok(read) => read,
            Err(error) => {
                // A path that stops working is looked for again next time; one that only was slow is not.
                if !matches!(error, Error::Unreachable { .. } | Error::Busy { .. }) {
                    *known = None;
                }
                return Err(error);
            }
        };
        let etag = etag.or_else(|| system.etag.clone());
        Ok(Found { path, etag, system })
    }

    /// Service root, then Systems, then the one that is meant.
    async fn find(&self) -> Result<String, Error> {
        let (root, _) = self.client.get::<Root>(ROOT).await?;
        self.client.detect(&root).await?;
        let systems =
            root.systems.ok_or_else(|| self.client.nonsense("GET /redfish/v1/", "it lists no Systems"))?;
        let paths = self.client.members(&systems.path).await?;
        let is_meant = |path: &&String| match &self.system {
            None => true,
            Some(wanted) if wanted.starts_with('/') => {
                path.trim_end_matches('/') == wanted.trim_end_matches('/')
            }
            Some(wanted) => path.trim_end_matches('/').rsplit('/').next() == Some(wanted),
        };
        let meant: Vec<&String> = paths.iter().filter(is_meant).collect();
        match (meant.as_slice(), &self.system) {
            ([one], _) => Ok((*one).clone()),
            ([], None) => Err(self.client.nonsense("GET Systems", "it has no systems")),
            ([], Some(wanted)) => Err(Error::Invalid(format!(
                "redfish.system: there is no system {wanted}; there are {}",
                self.client.shown(&paths.join(", "), 300)
            ))),
            (_, _) => Err(Error::Invalid(format!(
                "redfish.system: say which one is meant of {}",
                self.client.shown(&paths.join(", "), 300)
            ))),
        }
    }

    /// The MACs of its NICs. Read once and then remembered for [`NICS`]: they are most of what an observation asks of a
    /// BMC, and what was read before a call was given up need not be read again by the next one.
    async fn macs(&self, system: &System) -> Result<Vec<Mac>, Error> {
        let Some(link) = &system.ethernet_interfaces else { return Ok(Vec::new()) };
        let mut nics = self.nics.lock().await;
        if nics.begun.is_none_or(|begun| begun.elapsed() > NICS) {
            *nics = Nics { begun: Some(Instant::now()), ..Nics::default() };
        }
        // Some list no NICs while the system is off: an empty list is not believed for long.
        if nics.unread.is_empty() && nics.macs.is_empty() {
            nics.unread = self.client.members(&link.path).await?;
        }
        while let Some(path) = nics.unread.last() {
            let (interface, _) = self.client.get::<Interface>(path).await?;
            // NICs without a port report an empty or a zero address.
            let found = [interface.permanent, interface.mac].into_iter().flatten();
            let found = found.filter_map(|text| text.parse().ok()).filter(Mac::is_unicast);
            nics.macs.extend(found);
            nics.unread.pop();
        }
        Ok(nics.macs.iter().copied().collect())
    }

    pub(super) fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state that it is on the way to, if what it shows is from before it was switched.
    fn on_the_way(&self, system: &System) -> Option<Power> {
        let (shown, settle) = (power_of(system), self.client.quirks().settle);
        self.asked().on_the_way(shown, settle)
    }

    async fn reset(&self, found: &Found, power: Power) -> Result<(), Error> {
        let wish = wish_of(power);
        let reset = found.system.actions.as_ref().and_then(|actions| actions.reset.as_ref());
        let reset = reset.ok_or_else(|| self.client.unsupported(wish, "it has no ComputerSystem.Reset"))?;
        let allowed = self.allowed(reset).await?;
        let chosen = quirks::choose_reset(power, allowed.as_deref()).ok_or_else(|| {
            self.client.unsupported(wish, format!("it only knows {}", allowed.unwrap_or_default().join(", ")))
        })?;
        let reply =
            self.client.write(Method::POST, &reset.target, &json!({ "ResetType": chosen }), None).await?;
        if reply.status.is_success() {
            self.asked().switched(power);
            return Ok(());
        }
        if !quirks::may_mean_already(reply.status) {
            return Err(self.client.complaint(&reply, wish));
        }
        match (reply.status, power_of(&self.read().await?.system)) {
            (_, now) if now == power => Ok(()),
            // It contradicts itself, as one does that was switched by somebody else just now.
            (StatusCode::CONFLICT, _) => Err(self
                .client
                .busy("it says that there is nothing to switch, and shows another power state")),
            _ => Err(self.client.complaint(&reply, wish)),
        }
    }

    async fn allowed(&self, reset: &Reset) -> Result<Option<Vec<String>>, Error> {
        let Some(info) = reset.info.as_ref().filter(|_| reset.types.is_none()) else {
            return Ok(reset.types.clone());
        };
        let (info, _) = self.client.get::<ActionInfo>(info).await?;
        let of_type = info.parameters.into_iter().find(|parameter| parameter.name == "ResetType");
        Ok(of_type.and_then(|parameter| parameter.allowable_values))
    }
}

fn wish_of(power: Power) -> &'static str {
    match power {
        Power::On => "switch the system on",
        Power::Off => "switch the system off",
        Power::Unknown => "do nothing",
    }
}

fn power_of(system: &System) -> Power {
    match system.power_state.as_deref() {
        Some("On") => Power::On,
        Some("Off") => Power::Off,
        _ => Power::Unknown,
    }
}

#[async_trait]
impl Bmc for Redfish {
    async fn observe(&self) -> Result<Observation, Error> {
        let found = self.read().await?;
        let boot = self.boot_of(&found).await?.boot;
        let system = found.system;
        let power = match self.on_the_way(&system) {
            Some(_) => Power::Unknown,
            None => power_of(&system),
        };
        let given = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let macs = self.macs(&system).await?;
        let disks = self.drives.read(&self.client, system.storage()).await?;
        Ok(Observation {
            power,
            next_boot: quirks::next_boot(&boot),
            serial: given(&system.serial_number),
            uuid: given(&system.uuid).map(|uuid| uuid.to_ascii_lowercase()),
            macs,
            forwards: Default::default(),
            boots: None,
            certificate: self.client.certificate(),
            facts: Facts { disks, ..system.facts() },
        })
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        if power == Power::Unknown {
            return Err(Error::Invalid("a host is switched on or off, nothing else".into()));
        }
        let found = self.read().await?;
        match self.on_the_way(&found.system) {
            Some(wanted) if wanted == power => return Ok(()),
            Some(_) => return Err(self.client.busy("it still shows the state from before it was switched")),
            None => {}
        }
        match (power, found.system.power_state.as_deref()) {
            (Power::On, Some("On" | "PoweringOn")) | (Power::Off, Some("Off" | "PoweringOff")) => Ok(()),
            (Power::On, Some("PoweringOff")) => Err(self.client.busy("it is still switching off")),
            (Power::On, _) => {
                let found = self.keep_boot(found).await?;
                self.reset(&found, power).await
            }
            _ => self.reset(&found, power).await,
        }
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        let found = self.read().await?;
        // It was switched on with just that, which it may have used up by now: set again, it would start from it twice.
        if self.on_the_way(&found.system) == Some(Power::On) && self.asked().has_used(target) {
            return Ok(());
        }
        let now = self.boot_of(&found).await?;
        let wish = self.set_boot(now, target).await?;
        self.asked().set_boot(target, wish);
        Ok(())
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        Some(self)
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        Some(self)
    }

    async fn ensure_events(&self) -> Result<(), Error> {
        match &self.events {
            Some(events) => events.ensure(&self.client).await,
            None => Ok(()),
        }
    }

    async fn screenshot(&self) -> Result<Vec<u8>, Error> {
        self.screen().await
    }

    /// Nothing was made on the BMC but a subscription and a session. A BMC that does not answer is forgotten with both:
    /// what it still sends is for a host that is not known.
    async fn forget(&self) -> Result<(), Error> {
        if let Some(events) = &self.events {
            events.end(&self.client).await;
        }
        self.client.log_out().await;
        Ok(())
    }
}

#[async_trait]
impl VirtualMedia for Redfish {
    async fn ensure_media(&self, image: Option<&MediaUrl>) -> Result<(), Error> {
        let found = self.read().await?;
        self.media.ensure(&self.client, &found.system, image).await
    }
}
