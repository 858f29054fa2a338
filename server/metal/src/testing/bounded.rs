//! A driver keeps the promise of its trait: a call ends within [`CALL_LIMIT`], even where the BMC behind it hangs.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use underlay_core::{
    Object, View,
    bmc::{
        Accounts, Bmc, Bmcs, CALL_LIMIT, Error, Login, MediaUrl, Observation, Power, Target, VirtualMedia,
    },
    host::Host,
};

use crate::bmc::fake::{Fake, Fakes};

/// The scripted BMCs behind such drivers.
pub(super) struct Bounded(pub(super) Fakes);

struct Driver(Fake);

#[async_trait]
impl Bmcs for Bounded {
    async fn bmc(&self, host: &Object<Host>, _view: &dyn View) -> Result<Arc<dyn Bmc>, Error> {
        Ok(Arc::new(Driver(self.0.of(host.meta.key.name.as_str()))))
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let overdue = || Error::Unreachable { address: "a BMC that hangs".into(), source: None };
    tokio::time::timeout(CALL_LIMIT, call).await.unwrap_or_else(|_| Err(overdue()))
}

#[async_trait]
impl Bmc for Driver {
    async fn observe(&self) -> Result<Observation, Error> {
        bounded(self.0.observe()).await
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        bounded(self.0.ensure_power(power)).await
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        bounded(self.0.ensure_next_boot(target)).await
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        Some(self)
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        Some(self)
    }

    async fn forget(&self) -> Result<(), Error> {
        bounded(self.0.forget()).await
    }
}

#[async_trait]
impl VirtualMedia for Driver {
    async fn ensure_media(&self, image: Option<&MediaUrl>) -> Result<(), Error> {
        bounded(self.0.ensure_media(image)).await
    }
}

#[async_trait]
impl Accounts for Driver {
    async fn ensure_password(&self, wanted: &Login) -> Result<(), Error> {
        bounded(self.0.ensure_password(wanted)).await
    }
}
