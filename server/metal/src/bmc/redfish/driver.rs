//! The wishes of a Redfish host.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};
use underlay_core::{
    Mac, ObjectId, SecretString,
    bmc::{Bmc, Error, MediaUrl, Observation, Power, Target, VirtualMedia},
    host::{self, Facts},
};

use super::{
    client::{Client, Login, ROOT},
    drives::Drives,
    events::Events,
    media::Media,
    model::{ActionInfo, Boot, BootWish, Interface, Reset, Root, System},
    quirks,
};

/// How long the NICs that were read are believed to be there.
const NICS: Duration = Duration::from_secs(3600);

/// The driver of one Redfish host.
pub struct Redfish {
    client: Client,
    system: Option<String>,
    mode: host::Firmware,
    /// The path of its ComputerSystem, once found.
    path: Mutex<Option<String>>,
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
struct Found {
    path: String,
    etag: Option<String>,
    system: System,
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

    /// The same, which also asks once for the drives.
    #[must_use]
    pub fn inspecting_drives(mut self) -> Self {
        self.drives = Drives::wanted();
        self
    }

    /// SHA-256 of the certificate the BMC has shown or must show, where it is pinned.
    pub fn certificate(&self) -> Option<String> {
        self.client.certificate()
    }

    async fn read(&self) -> Result<Found, Error> {
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
            return Ok(());
        }
        if quirks::may_mean_already(reply.status) && power_of(&self.read().await?.system) == power {
            return Ok(());
        }
        Err(self.client.complaint(&reply, wish))
    }

    async fn allowed(&self, reset: &Reset) -> Result<Option<Vec<String>>, Error> {
        let Some(info) = reset.info.as_ref().filter(|_| reset.types.is_none()) else {
            return Ok(reset.types.clone());
        };
        let (info, _) = self.client.get::<ActionInfo>(info).await?;
        let of_type = info.parameters.into_iter().find(|parameter| parameter.name == "ResetType");
        Ok(of_type.and_then(|parameter| parameter.allowable_values))
    }

    /// Ask for `wish`; `Ok(false)` when the BMC says that it will never do.
    async fn patch(&self, found: Found, wish: &BootWish) -> Result<Result<(), Error>, Error> {
        let body = json!({ "Boot": wish });
        let mut found = found;
        for use_etag in [UseEtag::Yes, UseEtag::Yes, UseEtag::No] {
            let etag = found.etag.as_deref().filter(|_| use_etag == UseEtag::Yes);
            let reply = self.client.write(Method::PATCH, &found.path, &body, etag).await?;
            if reply.status == StatusCode::PRECONDITION_FAILED {
                found = self.read().await?;
                continue;
            }
            let complaint = || self.client.complaint(&reply, "set the boot source");
            return match reply.status {
                status if status.is_success() => Ok(Ok(())),
                status if quirks::is_rejected(status) => Ok(Err(complaint())),
                _ => Err(complaint()),
            };
        }
        Err(self.client.busy("its ComputerSystem keeps changing under us"))
    }

    async fn confirm(&self, wish: &BootWish) -> Result<(), Error> {
        let boot = self.read().await?.system.boot.unwrap_or_default();
        if quirks::is_reached(wish, &boot) {
            return Ok(());
        }
        let Boot { enabled, target, mode, .. } = boot;
        let why = format!("it took {wish:?} and then says {enabled:?}, {target:?}, {mode:?}");
        Err(self.client.nonsense("PATCH Boot", why))
    }
}

/// Send `If-Match`?
#[derive(Clone, Copy, PartialEq, Eq)]
enum UseEtag {
    Yes,
    No,
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
        let Found { system, .. } = self.read().await?;
        let given = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let macs = self.macs(&system).await?;
        let disks = self.drives.read(&self.client, system.storage()).await?;
        Ok(Observation {
            power: power_of(&system),
            next_boot: system.boot.as_ref().and_then(quirks::next_boot),
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
        match (power, found.system.power_state.as_deref()) {
            (Power::On, Some("On" | "PoweringOn")) | (Power::Off, Some("Off" | "PoweringOff")) => Ok(()),
            (Power::On, Some("PoweringOff")) => Err(self.client.busy("it is still switching off")),
            _ => self.reset(&found, power).await,
        }
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        let mut found = self.read().await?;
        let now = found.system.boot.clone().unwrap_or_default();
        let mut last = None;
        for wish in quirks::boot_wishes(target, self.mode, &now) {
            if quirks::is_exactly(&wish, &now) {
                return Ok(());
            }
            match self.patch(found, &wish).await? {
                Ok(()) => return self.confirm(&wish).await,
                Err(rejected) => last = Some(rejected),
            }
            found = self.read().await?;
        }
        Err(last.unwrap_or_else(|| {
            let allowed = now.targets.unwrap_or_default().join(", ");
            self.client.unsupported(quirks::words(target), format!("it only knows {allowed}"))
        }))
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        Some(self)
    }

    async fn ensure_events(&self) -> Result<(), Error> {
        match &self.events {
            Some(events) => events.ensure(&self.client).await,
            None => Ok(()),
        }
    }

    /// Nothing was made on the BMC but a subscription; a session ends by itself. A BMC that does not answer is forgotten
    /// with its subscription: what it still sends is for a host that is not known.
    async fn forget(&self) -> Result<(), Error> {
        if let Some(events) = &self.events {
            events.end(&self.client).await;
        }
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
