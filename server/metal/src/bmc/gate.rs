//! The gate in front of every driver: no call that changes power, boot or a disk is made while a brake stands over the
//! host. Controllers ask before they begin a step; this holds whoever did not ask, and whoever asked a moment too early.
//!
//! Asking the driver what it sees is always allowed.

use std::sync::Arc;

use async_trait::async_trait;
use underlay_core::{
    Brakes, Name, Object, View,
    bmc::{Accounts, Bmc, Bmcs, Error, Login, MediaUrl, Observation, Power, Target, VirtualMedia},
    brake::Scope,
    host::{Driver, Host},
};

use super::drivers::{no_accounts, no_media};

/// Drivers behind the gate.
pub struct Gate {
    drivers: Arc<dyn Bmcs>,
    brakes: Arc<dyn Brakes>,
}

impl Gate {
    /// A gate in front of `drivers` that asks `brakes`.
    pub fn new(drivers: Arc<dyn Bmcs>, brakes: Arc<dyn Brakes>) -> Self {
        Self { drivers, brakes }
    }
}

/// The name of the pool that a mention (`NAME` or `OWNER/NAME`) means.
pub(crate) fn pool(mention: &str) -> Option<Name> {
    mention.rsplit('/').next().and_then(|name| name.parse().ok())
}

/// Where a host is, for brakes.
pub(crate) fn scope(host: &Object<Host>) -> Scope {
    Scope { site: host.meta.key.site.clone(), pool: pool(&host.spec.pool) }
}

/// Does forgetting the host take anything away from it? A BMC is only logged out of; a QEMU host is removed.
pub(crate) fn loses_by_forgetting(host: &Object<Host>) -> bool {
    matches!(host.spec.driver, Driver::Qemu(_))
}

#[async_trait]
impl Bmcs for Gate {
    async fn bmc(&self, host: &Object<Host>, view: &dyn View) -> Result<Arc<dyn Bmc>, Error> {
        let driver = self.drivers.bmc(host, view).await?;
        let (scope, loses) = (scope(host), loses_by_forgetting(host));
        Ok(Arc::new(Gated { driver, scope, loses, brakes: self.brakes.clone() }))
    }
}

/// One driver behind the gate.
struct Gated {
    driver: Arc<dyn Bmc>,
    scope: Scope,
    loses: bool,
    brakes: Arc<dyn Brakes>,
}

impl Gated {
    /// A store that cannot be asked is no leave to go on.
    async fn pass(&self, wish: &str) -> Result<(), Error> {
        let hold = self
            .brakes
            .hold(&self.scope)
            .await
            .map_err(|error| Error::Local { wish: wish.into(), source: Box::new(error) })?;
        match hold.brake {
            None => Ok(()),
            Some(brake) => Err(Error::Held(Box::new(brake))),
        }
    }
}

#[async_trait]
impl Bmc for Gated {
    async fn observe(&self) -> Result<Observation, Error> {
        self.driver.observe().await
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        self.pass("switch its power").await?;
        self.driver.ensure_power(power).await
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        self.pass("set its next boot").await?;
        self.driver.ensure_next_boot(target).await
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        self.driver.virtual_media().map(|_| self as &dyn VirtualMedia)
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        self.driver.accounts().map(|_| self as &dyn Accounts)
    }

    async fn ensure_events(&self) -> Result<(), Error> {
        self.pass("subscribe to its events").await?;
        self.driver.ensure_events().await
    }

    async fn serial(&self) -> Result<Option<String>, Error> {
        self.driver.serial().await
    }

    async fn screenshot(&self) -> Result<Vec<u8>, Error> {
        self.driver.screenshot().await
    }

    async fn forget(&self) -> Result<(), Error> {
        if self.loses {
            self.pass("remove it").await?;
        }
        self.driver.forget().await
    }
}

#[async_trait]
impl VirtualMedia for Gated {
    async fn ensure_media(&self, image: Option<&MediaUrl>) -> Result<(), Error> {
        self.pass("change its virtual media").await?;
        match self.driver.virtual_media() {
            Some(media) => media.ensure_media(image).await,
            None => Err(no_media("its BMC")),
        }
    }
}

#[async_trait]
impl Accounts for Gated {
    async fn ensure_password(&self, wanted: &Login) -> Result<(), Error> {
        self.pass("change its password").await?;
        match self.driver.accounts() {
            Some(accounts) => accounts.ensure_password(wanted).await,
            None => Err(no_accounts("its BMC")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use underlay_core::{Kind, brake::Reach};

    use super::*;
    use crate::{bmc::fake::Call, testing::Rack};

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_ask_is_held_all_the_same() {
        let rack = Rack::with_hosts(1).await;
        let id = rack.find(Kind::Host, "lab-1").expect("the host");
        let (host, before) = (rack.get::<Host>(id), rack.bmc("lab-1").calls().len());
        let gate = Gate::new(Arc::new(rack.bmcs.clone()), rack.brakes.clone());
        let bmc = gate.bmc(&host, &rack).await.expect("a driver");
        rack.brakes.put(Reach::default(), Timestamp::UNIX_EPOCH);
        for refused in [
            bmc.ensure_power(Power::Off).await,
            bmc.ensure_power(Power::On).await,
            bmc.ensure_next_boot(Target::NetworkOnce).await,
            bmc.virtual_media().expect("it has that ability").ensure_media(None).await,
        ] {
            assert!(matches!(&refused, Err(Error::Held(brake)) if brake.by == "ops"), "{refused:?}");
        }
        bmc.observe().await.expect("looking is always allowed");
        assert_eq!(rack.bmc("lab-1").calls()[before..], [Call::Observe]);
        rack.brakes.lift(Timestamp::UNIX_EPOCH);
        bmc.ensure_power(Power::On).await.expect("lifted");
    }
}
