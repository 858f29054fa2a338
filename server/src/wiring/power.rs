//! Switching a host by hand: the API's wish, through the host's driver.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use underlay_api::ports::{PowerAction, PowerControl};
use underlay_core::{
    Object, ObjectId,
    bmc::{Bmc, Bmcs, Error, Power},
    host::Host,
};
use underlay_store::Store;

/// How long a cycle waits for the host to be off.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the drivers.
pub struct Switch {
    /// Where hosts stand.
    pub store: Store,
    /// Who switches them.
    pub bmcs: Arc<dyn Bmcs>,
}

#[async_trait]
impl PowerControl for Switch {
    async fn power(&self, host: ObjectId, action: PowerAction) -> Result<Object<Host>, Error> {
        let mut object = self.read(host).await?;
        let bmc = self.bmcs.bmc(&object, &self.store).await?;
        match action {
            PowerAction::On => bmc.ensure_power(Power::On).await?,
            PowerAction::Off => bmc.ensure_power(Power::Off).await?,
            PowerAction::Cycle => {
                bmc.ensure_power(Power::Off).await?;
                until_off(bmc.as_ref()).await?;
                bmc.ensure_power(Power::On).await?;
            }
            PowerAction::Observe => {}
        }
        let observed = bmc.observe().await?;
        object.status.power = Some(observed.power);
        object.status.forwards = observed.forwards;
        // The controller looks for itself and writes what it sees.
        self.store.wake(host).await.map_err(|error| local("wake the host", error))?;
        Ok(object)
    }

    async fn serial(&self, host: ObjectId) -> Result<Option<String>, Error> {
        let object = self.read(host).await?;
        self.bmcs.bmc(&object, &self.store).await?.serial().await
    }

    async fn screenshot(&self, host: ObjectId) -> Result<Vec<u8>, Error> {
        let object = self.read(host).await?;
        self.bmcs.bmc(&object, &self.store).await?.screenshot().await
    }
}

impl Switch {
    async fn read(&self, host: ObjectId) -> Result<Object<Host>, Error> {
        let record = self.store.get(host).await.map_err(|error| local("read the host", error))?;
        let record = record.ok_or_else(|| Error::Invalid(format!("host {host} is gone")))?;
        record.raw.decode::<Host>().map_err(|error| local("read the host", error))
    }
}

async fn until_off(bmc: &dyn Bmc) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while bmc.observe().await?.power != Power::Off {
        if Instant::now() >= deadline {
            let why = format!("still on {} s after it was switched off", PATIENCE.as_secs());
            return Err(Error::Busy { address: "the host".into(), why });
        }
        sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

fn local(wish: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Local { wish: wish.into(), source: Box::new(error) }
}
