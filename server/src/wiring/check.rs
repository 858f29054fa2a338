//! Looking at a BMC: the API's wish, through the drivers.

use std::sync::Arc;

use async_trait::async_trait;
use underlay_api::ports::BmcChecks;
use underlay_core::{
    bmc::Error,
    check::{Check, Whose},
};
use underlay_metal::bmc::Drivers;
use underlay_store::Store;

/// Looks through the drivers.
pub struct Look {
    /// Where credentials lie.
    pub store: Store,
    /// Who looks.
    pub drivers: Arc<Drivers>,
}

#[async_trait]
impl BmcChecks for Look {
    async fn check(&self, whose: Whose) -> Result<Check, Error> {
        self.drivers.check(whose, &self.store).await
    }
}
