//! Finds the driver a host's spec names and puts it behind the queue of its BMC.
//!
//! A Redfish session lives from call to call as long as the spec, the credential and the pin it was opened under do;
//! a queue belongs to an address, so two hosts behind one chassis controller share it. How the others are made is in
//! [`kept`].

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use underlay_core::{
    ErrorKind, Object, ObjectId, SecretString, View,
    bmc::{Bmc, Bmcs, Error, EventAddress, MediaUrl, Observation, Power, Target, VirtualMedia},
    clock,
    host::{self, Driver, Host},
};

use super::{
    budget::{self, Budget},
    ipmi::Ipmi,
    manual::Manual,
    none::NoDriver,
    qemu::{self, Qemu},
    queue::Queue,
    redfish::{self, Redfish},
};

mod kept;

use kept::Kept;

/// How the drivers are set up.
#[derive(Clone)]
pub struct Config {
    /// How QEMU hosts are run.
    pub qemu: qemu::Config,
    /// The least time between two calls to one BMC.
    pub bmc_pause: Duration,
    /// Where BMCs send their events; left out, they are not asked to.
    pub events: Option<Arc<dyn EventAddress>>,
}

/// Every driver this server has.
pub struct Drivers {
    config: Config,
    held: Arc<Held>,
}

/// What stands in front of one BMC.
struct Line {
    queue: Queue,
    /// A QEMU machine wears out by nothing.
    budget: Option<Budget>,
}

/// What outlives a call.
#[derive(Default)]
struct Held {
    queues: Mutex<HashMap<String, Arc<Line>>>,
    sessions: Mutex<HashMap<ObjectId, Session>>,
    ipmi: Kept<kept::IpmiOrigin, Ipmi>,
    manual: Kept<kept::ManualOrigin, Manual>,
    ports: qemu::Ports,
}

/// A Redfish driver, with what it was made from.
struct Session {
    redfish: host::Redfish,
    boot: host::Boot,
    user: String,
    password: SecretString,
    /// The pin the host's status held when it was last looked at.
    pin: Option<String>,
    driver: Arc<Redfish>,
}

impl Drivers {
    /// Drivers under `config`; nothing is contacted.
    pub fn new(config: Config) -> Self {
        Self { config, held: Arc::default() }
    }

    fn qemu(&self, host: &Object<Host>, wanted: &host::Qemu) -> Arc<dyn Bmc> {
        let address = format!("qemu:{}", host.meta.id);
        let driver = Qemu::new(self.config.qemu.clone(), self.held.ports.clone(), host, wanted.clone());
        self.queued(host.meta.id, address, Duration::ZERO, None, Arc::new(driver))
    }

    async fn redfish(
        &self,
        host: &Object<Host>,
        wanted: &host::Redfish,
        view: &dyn View,
    ) -> Result<Arc<dyn Bmc>, Error> {
        let (user, password) = credential(host, &wanted.credential, view).await?;
        let id = host.meta.id;
        let pin = host.status.pinned_certificate.clone();
        let mut sessions = self.held.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sessions.get_mut(&id).filter(|session| session.fits(host, wanted, &user, &password));
        let driver = match kept {
            Some(session) => {
                session.pin = pin;
                session.driver.clone()
            }
            None => {
                let login = redfish::Login { user: user.clone(), password: password.clone() };
                let driver = Redfish::new(wanted, &host.spec.boot, login, pin.clone())?;
                // The agent knows better, and what was told once is kept.
                let is_told = host.status.inventory.is_some() || host.status.told.disks.is_some();
                let driver = if is_told { driver } else { driver.inspecting_drives() };
                let driver = Arc::new(match &self.config.events {
                    Some(address) => driver.telling(id, address.of(id)),
                    None => driver,
                });
                let (redfish, boot) = (wanted.clone(), host.spec.boot.clone());
                sessions.insert(id, Session { redfish, boot, user, password, pin, driver: driver.clone() });
                driver
            }
        };
        drop(sessions);
        Ok(self.metered(id, wanted.address.clone(), driver))
    }

    /// Behind the queue of its address, with a pause between two calls and a budget of power changes.
    fn metered(&self, host: ObjectId, address: String, driver: Arc<dyn Bmc>) -> Arc<dyn Bmc> {
        self.queued(host, address, self.config.bmc_pause, Some(budget::CHANGES), driver)
    }

    fn queued(
        &self,
        host: ObjectId,
        address: String,
        pause: Duration,
        changes: Option<usize>,
        driver: Arc<dyn Bmc>,
    ) -> Arc<dyn Bmc> {
        let mut queues = self.held.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let line = queues.entry(address.clone()).or_insert_with(|| {
            Arc::new(Line { queue: Queue::new(address.clone(), pause), budget: changes.map(Budget::new) })
        });
        Arc::new(Queued { host, address, line: line.clone(), driver, held: self.held.clone() })
    }
}

#[async_trait]
impl Bmcs for Drivers {
    async fn bmc(&self, host: &Object<Host>, view: &dyn View) -> Result<Arc<dyn Bmc>, Error> {
        match &host.spec.driver {
            Driver::Qemu(wanted) => Ok(self.qemu(host, wanted)),
            Driver::Redfish(wanted) => self.redfish(host, wanted, view).await,
            Driver::Ipmi(wanted) => self.ipmi(host, wanted, view).await,
            Driver::Manual(wanted) => self.manual(host, wanted, view).await,
            Driver::None => Ok(Arc::new(NoDriver::new(host, view, clock::now()).await?)),
        }
    }
}

async fn credential(
    host: &Object<Host>,
    name: &str,
    view: &dyn View,
) -> Result<(String, SecretString), Error> {
    match view.credential(&host.meta.key, name).await {
        Ok(Some(login)) => Ok(login),
        Ok(None) => Err(Error::Invalid(format!("there is no credential named {name}"))),
        Err(error) if error.kind() == ErrorKind::Transient => {
            Err(Error::Local { wish: format!("read credential {name}"), source: Box::new(error) })
        }
        Err(error) => Err(Error::Invalid(error.to_string())),
    }
}

impl Session {
    /// Was it made from just this? A pin taken over from what the driver itself saw changes nothing.
    fn fits(
        &self,
        host: &Object<Host>,
        redfish: &host::Redfish,
        user: &str,
        password: &SecretString,
    ) -> bool {
        let pin = &host.status.pinned_certificate;
        self.redfish == *redfish
            && self.boot == host.spec.boot
            && self.user == user
            && self.password.expose_secret() == password.expose_secret()
            && (self.pin == *pin || (pin.is_some() && self.driver.certificate() == *pin))
    }
}

/// A driver behind the queue of its BMC.
struct Queued {
    host: ObjectId,
    address: String,
    line: Arc<Line>,
    driver: Arc<dyn Bmc>,
    held: Arc<Held>,
}

impl Queued {
    async fn run<T>(
        &self,
        call: &'static str,
        wish: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let result = self.line.queue.run(wish).await;
        match &result {
            Ok(_) => tracing::debug!(address = %self.address, host = %self.host, call, "driver call"),
            Err(error) => {
                tracing::info!(address = %self.address, host = %self.host, call, %error, "driver call failed");
            }
        }
        result
    }
}

#[async_trait]
impl Bmc for Queued {
    async fn observe(&self) -> Result<Observation, Error> {
        self.run("observe", self.driver.observe()).await
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        self.run("ensure_power", async {
            if let Some(budget) = &self.line.budget {
                budget.spend(&self.address, self.host, power)?;
            }
            self.driver.ensure_power(power).await
        })
        .await
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        self.run("ensure_next_boot", self.driver.ensure_next_boot(target)).await
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        self.driver.virtual_media().map(|_| self as &dyn VirtualMedia)
    }

    async fn ensure_events(&self) -> Result<(), Error> {
        self.run("ensure_events", self.driver.ensure_events()).await
    }

    /// Not queued: no BMC is asked.
    async fn serial(&self) -> Result<Option<String>, Error> {
        self.driver.serial().await
    }

    async fn forget(&self) -> Result<(), Error> {
        self.run("forget", self.driver.forget()).await?;
        self.held.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.host);
        self.held.ipmi.drop(self.host);
        self.held.manual.drop(self.host);
        let mut queues = self.held.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // The map and this handle hold it; anyone else who does still has calls to make.
        if Arc::strong_count(&self.line) <= 2 {
            queues.remove(&self.address);
        }
        Ok(())
    }
}

#[async_trait]
impl VirtualMedia for Queued {
    async fn ensure_media(&self, image: Option<&MediaUrl>) -> Result<(), Error> {
        match self.driver.virtual_media() {
            Some(media) => self.run("ensure_media", media.ensure_media(image)).await,
            None => Err(no_media(&self.address)),
        }
    }
}

/// The driver is one without virtual media.
pub(super) fn no_media(address: &str) -> Error {
    let (wish, why) = ("show an image as a CD".into(), "its driver has no virtual media".into());
    Error::Unsupported { address: address.to_owned(), wish, why }
}

#[cfg(test)]
mod tests;
