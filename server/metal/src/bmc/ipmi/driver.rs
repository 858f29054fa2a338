//! The wishes of an IPMI host.

use std::time::Duration;

use async_trait::async_trait;
use tokio::{sync::Mutex, time::Instant};
use underlay_core::{
    bmc::{Bmc, Error, Observation, Power, Target},
    host::{self, Facts},
};

use super::{
    super::Login,
    client::{Client, Conversation},
    quirks::{self, Flags, Validity},
};

/// How long a serial number that was read is believed: it takes a dozen requests.
const SERIAL: Duration = Duration::from_secs(3600);

/// The driver of one IPMI host.
pub struct Ipmi {
    client: Client,
    boot: host::Boot,
    identity: host::Identity,
    /// The serial number, once read.
    serial: Mutex<Option<(Instant, Option<String>)>>,
    validity: Mutex<Validity>,
}

impl Ipmi {
    /// The driver of a BMC; nothing is contacted yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that does not read, or a login that IPMI cannot carry.
    pub fn new(
        bmc: &host::Ipmi,
        boot: &host::Boot,
        identity: &host::Identity,
        login: Login,
    ) -> Result<Self, Error> {
        let client = Client::new(bmc, login)?;
        let (boot, identity) = (boot.clone(), identity.clone());
        Ok(Self { client, boot, identity, serial: Mutex::default(), validity: Mutex::default() })
    }

    async fn look(&self, bmc: &mut Conversation<'_>) -> Result<Observation, Error> {
        let power = bmc.power().await?;
        let next_boot = match bmc.flags().await {
            Ok(flags) => self.validity.lock().await.target(flags),
            // One that does not tell can still be switched.
            Err(Error::Unsupported { .. }) => None,
            Err(error) => return Err(error),
        };
        let uuid = bmc.guid().await?.and_then(|guid| quirks::uuid(guid, self.identity.uuid));
        let serial = self.serial(bmc).await?;
        Ok(Observation {
            power,
            next_boot,
            serial,
            uuid,
            macs: Vec::new(),
            forwards: Default::default(),
            certificate: None,
            boots: None,
            facts: Facts::default(),
        })
    }

    async fn start_from(&self, bmc: &mut Conversation<'_>, target: Target) -> Result<(), Error> {
        let flags = Flags::of(target, &self.boot);
        bmc.set_flags(flags).await?;
        let found = bmc.flags().await?;
        if found.target() == Some(target) {
            *self.validity.lock().await = if found.are_valid() { Validity::Shown } else { Validity::Hidden };
            return Ok(());
        }
        let why = format!("it took {:02x?} and then says {:02x?}", flags.0, found.0);
        Err(self.client.nonsense("set its boot flags", why))
    }

    /// Read where it is held against something, since it takes a while.
    async fn serial(&self, bmc: &mut Conversation<'_>) -> Result<Option<String>, Error> {
        if self.identity.serial.is_none() {
            return Ok(None);
        }
        let mut known = self.serial.lock().await;
        if let Some((at, serial)) = known.as_ref().filter(|(at, _)| at.elapsed() < SERIAL) {
            let _believed_since = at;
            return Ok(serial.clone());
        }
        let serial = bmc.serial().await?;
        *known = Some((Instant::now(), serial.clone()));
        Ok(serial)
    }
}

/// Nothing where it is so already.
async fn switch(bmc: &mut Conversation<'_>, power: Power) -> Result<(), Error> {
    if bmc.power().await? == power {
        return Ok(());
    }
    match bmc.switch(power).await {
        Err(Error::Busy { .. } | Error::Nonsense { .. }) if bmc.power().await? == power => Ok(()),
        switched => switched,
    }
}

#[async_trait]
impl Bmc for Ipmi {
    async fn observe(&self) -> Result<Observation, Error> {
        let mut bmc = self.client.begin().await?;
        let seen = self.look(&mut bmc).await;
        bmc.end().await;
        seen
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        if power == Power::Unknown {
            return Err(Error::Invalid("a host is switched on or off, nothing else".into()));
        }
        let mut bmc = self.client.begin().await?;
        let switched = switch(&mut bmc, power).await;
        bmc.end().await;
        switched
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        let target = match target {
            Target::HttpOnce => Target::NetworkOnce,
            Target::MediaOnce => return Err(self.client.no_media()),
            other => other,
        };
        let mut bmc = self.client.begin().await?;
        let set = self.start_from(&mut bmc, target).await;
        bmc.end().await;
        set
    }

    /// Nothing was made on the BMC: each session was closed after use.
    async fn forget(&self) -> Result<(), Error> {
        Ok(())
    }
}
