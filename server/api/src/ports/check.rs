//! Looking at a BMC.

use async_trait::async_trait;
use underlay_core::{
    bmc,
    check::{Check, Whose},
};

/// Looks at BMCs. The caller has checked that whoever asks may.
#[async_trait]
pub trait BmcChecks: Send + Sync + 'static {
    /// Reads what there is to read, and changes nothing.
    ///
    /// # Errors
    /// There is no way in, or the host has no BMC that can be looked at.
    async fn check(&self, whose: Whose) -> Result<Check, bmc::Error>;
}
