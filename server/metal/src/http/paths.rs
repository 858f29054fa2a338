//! Where things are on the boot endpoint; the one place that spells these paths.

use secrecy::ExposeSecret;
use underlay_core::{Mac, SecretString, boot::Token, image::Sha256};

pub(super) const SCRIPT: &str = "/v1/ipxe/{mac}";
pub(super) const CA: &str = "/ca.der";
pub(super) const RAMDISK: &str = "/v1/ramdisk/{file}";
pub(super) const AGENT: &str = "/v1/agent";
pub(super) const LOADER: &str = "/v1/loader/{file}";
/// All of the rest: a shim asks for `/v1/uki//grubx64.efi`.
pub(super) const UKI: &str = "/v1/uki/{*file}";
pub(super) const IMAGE: &str = "/v1/images/{sha256}/{file}";
pub(super) const PHONE_HOME: &str = "/v1/phone-home/{token}";

/// As [`underlay_core::bmc::media_path`] spells it.
pub(super) const MEDIA: &str = "/v1/media/{file}";
/// As [`underlay_core::bmc::event_path`] spells it.
pub(super) const EVENTS: &str = "/v1/events/{host}/{proof}";

/// Path of an image's manifest.
pub fn manifest_path(sha256: &Sha256) -> String {
    format!("/v1/images/{sha256}/manifest.json")
}

/// Path of an image's data, read with Range.
pub fn data_path(sha256: &Sha256) -> String {
    format!("/v1/images/{sha256}/data")
}

/// The one-time URL of an installed system, on the endpoint at `base`.
pub fn phone_home_url(base: &str, token: &Token) -> SecretString {
    format!("{base}/v1/phone-home/{}", token.0.expose_secret()).into()
}

/// The iPXE script of a NIC, on the endpoint at `base`.
pub fn script_url(base: &str, mac: Mac) -> String {
    format!("{base}/v1/ipxe/{mac}")
}
