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
use futures::{StreamExt, stream};
use underlay_core::{
    ErrorKind, Object, ObjectId, View,
    bmc::{Accounts, Bmc, Bmcs, Error, EventAddress, MediaUrl, Observation, Power, Target, VirtualMedia},
    check::{Check, Whose},
    clock,
    host::{self, Driver, Host, OWN_PASSWORD},
};

use super::{
    Login,
    budget::{self, Budget},
    ipmi::Ipmi,
    manual::Manual,
    none::NoDriver,
    qemu::{self, Qemu},
    queue::Queue,
    redfish::{Looking, Redfish},
};

mod kept;

use kept::Kept;
/// How long ending all sessions may hold up that the server stops, and how many are ended at a time.
const GOODBYE: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 128;

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
    lines: Mutex<HashMap<String, Arc<Line>>>,
    sessions: Mutex<HashMap<ObjectId, Session>>,
    ipmi: Kept<kept::IpmiOrigin, Ipmi>,
    manual: Kept<kept::ManualOrigin, Manual>,
    ports: qemu::Ports,
}

/// A Redfish driver, with what it was made from.
struct Session {
    redfish: host::Redfish,
    boot: host::Boot,
    login: Login,
    /// The pin the host's status held when it was last looked at.
    pin: Option<String>,
    driver: Arc<Redfish>,
}

impl Held {
    fn line(&self, address: &str, new: impl FnOnce() -> Line) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(address.to_owned()).or_insert_with(|| Arc::new(new())).clone()
    }

    /// A line that nobody waits in any more goes.
    fn let_go(&self, address: &str, line: &Arc<Line>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // The map and this handle hold it; anyone else who does still has calls to make.
        if Arc::strong_count(line) <= 2 {
            lines.remove(address);
        }
    }
}

impl Drivers {
    /// Drivers under `config`; nothing is contacted.
    pub fn new(config: Config) -> Self {
        Self { config, held: Arc::default() }
    }

    /// Ends every session that is open, as far as BMCs answer in time.
    pub async fn close(&self) {
        let sessions: Vec<Session> = {
            let mut held = self.held.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            held.drain().map(|(_, session)| session).collect()
        };
        let ended = stream::iter(sessions)
            .for_each_concurrent(AT_ONCE, |session| async move { session.driver.log_out().await });
        if tokio::time::timeout(GOODBYE, ended).await.is_err() {
            tracing::info!("some BMCs keep our sessions until they idle out");
        }
    }

    fn qemu(&self, host: &Object<Host>, wanted: &host::Qemu) -> Arc<dyn Bmc> {
        let address = format!("qemu:{}", host.meta.id);
        let driver = Qemu::new(self.config.qemu.clone(), self.held.ports.clone(), host, wanted.clone());
        self.unmetered(host.meta.id, address, Arc::new(driver))
    }

    async fn redfish(
        &self,
        host: &Object<Host>,
        wanted: &host::Redfish,
        view: &dyn View,
    ) -> Result<Arc<dyn Bmc>, Error> {
        let login = credential(host, &wanted.credential, view).await?;
        let own = own_login(host, &login.user, view).await?;
        let (driver, old) = self.session(host, wanted, login.clone())?;
        knowing(&driver, host, login, own);
        // A BMC has room for few: the one that nobody uses any more is not left behind.
        if let Some(old) = old {
            old.driver.log_out().await;
        }
        Ok(self.metered(host.meta.id, wanted.address.clone(), driver))
    }

    /// The host's driver, with the one it takes the place of.
    fn session(
        &self,
        host: &Object<Host>,
        wanted: &host::Redfish,
        login: Login,
    ) -> Result<(Arc<Redfish>, Option<Session>), Error> {
        let id = host.meta.id;
        let pin = host.status.pinned_certificate.clone();
        let mut sessions = self.held.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sessions.get_mut(&id).filter(|session| session.fits(host, wanted, &login));
        Ok(match kept {
            Some(session) => {
                session.pin = pin;
                (session.driver.clone(), None)
            }
            None => {
                let driver = Redfish::new(wanted, &host.spec.boot, login.clone(), pin.clone())?;
                // The agent knows better, and what was told once is kept.
                let is_told = host.status.inventory.is_some() || host.status.told.disks.is_some();
                let driver = if is_told { driver } else { driver.inspecting_drives() };
                let driver = Arc::new(match &self.config.events {
                    Some(address) => driver.telling(id, address.of(id)),
                    None => driver,
                });
                let (redfish, boot) = (wanted.clone(), host.spec.boot.clone());
                let session = Session { redfish, boot, login, pin, driver: driver.clone() };
                (driver, sessions.insert(id, session))
            }
        })
    }

    /// Behind the queue of its address, with a pause between two calls and a budget of power changes.
    fn metered(&self, host: ObjectId, address: String, driver: Arc<dyn Bmc>) -> Arc<dyn Bmc> {
        let line = self.line(&address);
        Arc::new(Queued { host, address, line, driver, held: self.held.clone() })
    }

    /// The same for what wears out by nothing.
    fn unmetered(&self, host: ObjectId, address: String, driver: Arc<dyn Bmc>) -> Arc<dyn Bmc> {
        let queue = || Queue::new(address.clone(), Duration::ZERO);
        let line = self.held.line(&address, || Line { queue: queue(), budget: None });
        Arc::new(Queued { host, address, line, driver, held: self.held.clone() })
    }

    /// What stands in front of the BMC at `address`.
    fn line(&self, address: &str) -> Arc<Line> {
        self.held.line(address, || Line {
            queue: Queue::new(address.to_owned(), self.config.bmc_pause),
            budget: Some(Budget::new(budget::CHANGES)),
        })
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

impl Drivers {
    /// Looks at a Redfish BMC: reads what there is to read, and changes nothing.
    ///
    /// # Errors
    /// There is no way in, or the host has no such BMC.
    pub async fn check(&self, whose: Whose, view: &dyn View) -> Result<Check, Error> {
        let (redfish, login, pin, own) = match whose {
            Whose::Host(host) => {
                let Driver::Redfish(redfish) = &host.spec.driver else {
                    return Err(Error::Invalid(format!(
                        "host {} has no Redfish BMC; only such a one can be looked at",
                        host.meta.key.name
                    )));
                };
                let login = credential(&host, &redfish.credential, view).await?;
                let pin = host.status.pinned_certificate.clone();
                let (redfish, own) = (redfish.clone(), own_login(&host, &login.user, view).await?);
                (redfish, login, pin, own.map(|own| (host, own)))
            }
            Whose::Nobodys { redfish, user, password } => (redfish, Login { user, password }, None, None),
        };
        let driver = Redfish::new(&redfish, &host::Boot::default(), login.clone(), pin)?;
        if let Some((host, own)) = own {
            knowing(&driver, &host, login, Some(own));
        }
        let mut looking = Looking::at(driver);
        let line = self.line(&redfish.address);
        // Each read is a call of its own: others who want something of the BMC have their turn between them.
        let ended = loop {
            match line.queue.run(looking.step()).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let check = looking.end().await;
        self.held.let_go(&redfish.address, &line);
        ended.map(|()| check)
    }
}

async fn credential(host: &Object<Host>, name: &str, view: &dyn View) -> Result<Login, Error> {
    match view.credential(&host.meta.key, name).await {
        Ok(Some((user, password))) => Ok(Login { user, password }),
        Ok(None) => Err(Error::Invalid(format!("there is no credential named {name}"))),
        Err(error) if error.kind() == ErrorKind::Transient => {
            Err(Error::Local { wish: format!("read credential {name}"), source: Box::new(error) })
        }
        Err(error) => Err(Error::Invalid(error.to_string())),
    }
}

/// The password of its own that the host's BMC has or may have.
async fn own_login(host: &Object<Host>, user: &str, view: &dyn View) -> Result<Option<Login>, Error> {
    let is_wanted = matches!(&host.spec.driver, Driver::Redfish(redfish) if redfish.own_password);
    if !is_wanted && host.status.own_password.is_none() {
        return Ok(None);
    }
    // Whoever asks may have read the host before it was given one: what the store has now counts.
    let user = host.status.own_password.as_ref().map_or(user, |own| &own.user);
    match view.secret(host.meta.id, OWN_PASSWORD).await {
        Ok(found) => Ok(found.map(|password| Login { user: user.to_owned(), password })),
        Err(error) => Err(Error::Local { wish: "read its BMC's password".into(), source: Box::new(error) }),
    }
}

/// Have the driver know both of the passwords that the BMC may have.
fn knowing(driver: &Redfish, host: &Object<Host>, shared: Login, own: Option<Login>) {
    let is_set = host.status.own_password.as_ref().is_some_and(|own| own.since.is_some());
    match own {
        Some(own) if is_set => driver.takes_one_of(own, Some(shared)),
        own => driver.takes_one_of(shared, own),
    }
}

impl Session {
    /// Was it made from just this? A pin taken over from what the driver itself saw changes nothing.
    fn fits(&self, host: &Object<Host>, redfish: &host::Redfish, login: &Login) -> bool {
        let pin = &host.status.pinned_certificate;
        self.redfish == *redfish
            && self.boot == host.spec.boot
            && self.login == *login
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

    fn accounts(&self) -> Option<&dyn Accounts> {
        self.driver.accounts().map(|_| self as &dyn Accounts)
    }

    async fn ensure_events(&self) -> Result<(), Error> {
        self.run("ensure_events", self.driver.ensure_events()).await
    }

    /// Not queued: no BMC is asked.
    async fn serial(&self) -> Result<Option<String>, Error> {
        self.driver.serial().await
    }

    async fn screenshot(&self) -> Result<Vec<u8>, Error> {
        self.run("screenshot", self.driver.screenshot()).await
    }

    async fn forget(&self) -> Result<(), Error> {
        self.run("forget", self.driver.forget()).await?;
        self.held.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.host);
        self.held.ipmi.drop(self.host);
        self.held.manual.drop(self.host);
        self.held.let_go(&self.address, &self.line);
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

#[async_trait]
impl Accounts for Queued {
    async fn ensure_password(&self, wanted: &Login) -> Result<(), Error> {
        match self.driver.accounts() {
            Some(accounts) => self.run("ensure_password", accounts.ensure_password(wanted)).await,
            None => Err(no_accounts(&self.address)),
        }
    }
}

/// The driver is one that changes no passwords.
pub(super) fn no_accounts(address: &str) -> Error {
    let (wish, why) = ("change a password".into(), "its driver has no accounts".into());
    Error::Unsupported { address: address.to_owned(), wish, why }
}

/// The driver is one without virtual media.
pub(super) fn no_media(address: &str) -> Error {
    let (wish, why) = ("show an image as a CD".into(), "its driver has no virtual media".into());
    Error::Unsupported { address: address.to_owned(), wish, why }
}

#[cfg(test)]
mod tests;
