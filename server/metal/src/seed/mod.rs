//! The seed: what the installed system is told about itself, as a small file system labelled CIDATA.
//!
//! - `attributes.rs`: the files that profiles make
//! - `cloud_init.rs`: `meta-data`, `user-data` and `vendor-data` of the NoCloud data source
//! - `network.rs`: `network-config`, version 2
//! - `volume.rs`: the FAT file system that carries them
//!
//! Documents are written as JSON, which every YAML reader takes, because strings are always quoted there: to YAML 1.1 a
//! bare `52:54:00:12:34:56` is a number to base 60, and a host named `no` is false.
//!
//! Follows the NoCloud data source of cloud-init: a vfat or iso9660 volume labelled `cidata` or `CIDATA`.

mod attributes;
mod cloud_init;
mod network;
mod volume;

pub use attributes::{Attributes, File};
use underlay_core::{Mac, SecretString, machine};

/// What goes into a seed.
pub struct Content<'a> {
    /// Unique per deployment: cloud-init runs its once-per-instance parts again when it changes.
    pub instance: String,
    /// The machine.
    pub spec: &'a machine::Spec,
    /// The NIC it booted over.
    pub boot_mac: Option<Mac>,
    /// The user's own user data.
    pub user_data: Option<&'a SecretString>,
    /// The one-time URL to call when the system is up.
    pub phone_home: SecretString,
    /// What is injected.
    pub attributes: &'a Attributes,
}

/// Why no seed could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user data is larger than a seed may hold.
    #[error("user_data has {size} bytes, {limit} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The injected files are larger than a seed may hold.
    #[error("the files of its attributes have {size} bytes, {limit} are allowed")]
    Files {
        /// Their size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The volume could not be made.
    #[error("making the seed's file system")]
    Volume(#[source] std::io::Error),
    /// A document could not be written.
    #[error("writing {name}")]
    Document {
        /// Which.
        name: &'static str,
        /// What the writer said.
        #[source]
        source: serde_json::Error,
    },
}

/// The largest user data, as other clouds allow it: 64 KiB is common, 512 KiB is ample.
const USER_DATA_LIMIT: usize = 512 << 10;

/// The most that injected files may have together: with the user data, what an agent takes as one message.
const FILES_LIMIT: usize = 768 << 10;

/// The seed's file system, for a disk with sectors of `sector` bytes.
///
/// # Errors
/// See [`Error`].
pub fn image(content: &Content<'_>, sector: u32) -> Result<Vec<u8>, Error> {
    use secrecy::ExposeSecret;
    let user_data = content.user_data.map_or("#cloud-config\n{}\n", |data| data.expose_secret());
    if user_data.len() > USER_DATA_LIMIT {
        return Err(Error::TooLarge { size: user_data.len(), limit: USER_DATA_LIMIT });
    }
    let injected = content.attributes.size();
    if injected > FILES_LIMIT {
        return Err(Error::Files { size: injected, limit: FILES_LIMIT });
    }
    let files = [
        ("meta-data", cloud_init::meta_data(content)?),
        ("user-data", cloud_init::user_data(content, user_data)),
        ("vendor-data", cloud_init::vendor_data(content)?),
        ("network-config", network::config(content.spec.network.as_ref(), content.boot_mac)?),
    ];
    volume::fat("CIDATA", &files, sector).map_err(Error::Volume)
}

#[cfg(test)]
mod tests;
