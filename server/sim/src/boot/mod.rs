//! Firmware and its network: how a machine that has just been switched on gets something to start.
//!
//! - [`firmware`]: from the boot method to what is started; [`script`]: the iPXE script it is given
//! - [`media`]: starting from a virtual CD; [`iso`]: the file system on it
//! - [`http`]: its HTTP client, over a link that may be slow or broken
//! - [`dhcp`]: asking for an address and a boot file, as through a relay; [`tftp`]: fetching the loader it names

pub mod dhcp;
pub mod firmware;
pub mod http;
pub mod iso;
pub mod media;
pub mod script;
pub mod tftp;

/// What the firmware was told to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// PXE, which chains to iPXE.
    Pxe,
    /// UEFI HTTP boot.
    Http,
}
