//! The seed: what the installed system is told about itself, as a small file system behind the image.
//!
//! - `attributes.rs`: the files that profiles make
//! - `cloud_init.rs`: `meta-data`, `user-data` and `vendor-data` of the NoCloud data source
//! - `network.rs`: `network-config`, version 2
//! - `ignition.rs`, `networkd.rs`: the same for Ignition, on a config drive
//! - `kickstart.rs`, `preseed.rs`: the same for installers; `first_boot.rs` is what they put into the installed system
//! - `volumes.rs`: the script that makes what the other disks hold
//! - `volume.rs`: the FAT file system that carries them
//!
//! Documents are written as JSON, which every YAML reader takes, because strings are always quoted there: to YAML 1.1 a
//! bare `52:54:00:12:34:56` is a number to base 60, and a host named `no` is false.
//!
//! Each finds it by a label: cloud-init's NoCloud `CIDATA`; Ignition's OpenStack provider `config-2` in capitals; Anaconda
//! `OEMDRV` with `ks.cfg` in it. Debian's installer looks for nothing: its initrd has to be told, see the operator's guide.

mod attributes;
mod cloud_init;
mod first_boot;
mod ignition;
mod kickstart;
mod network;
mod networkd;
mod preseed;
mod volume;
mod volumes;

pub use attributes::{Attributes, File};
use secrecy::ExposeSecret;
use underlay_core::{
    Mac, SecretString,
    image::SeedFormat,
    machine::{self, volume::Resolved},
    seed::Seed,
};

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
    /// The serial numbers of the disks of each of its volumes.
    pub volumes: &'a Resolved,
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
    /// The user data is not what this format takes.
    #[error("user_data {why}")]
    UserData {
        /// What is wrong with it, without it.
        why: &'static str,
    },
    /// Only cloud-init is told of them.
    #[error("volumes take an image that is configured by cloud-init")]
    Volumes,
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

/// The documents of a seed, and the label of the file system that holds them.
#[derive(Debug)]
pub struct Documents {
    /// By which the system finds it.
    pub label: &'static str,
    /// Path and text of each.
    pub files: Vec<(&'static str, String)>,
}

/// The documents that a system of this format is told what it is by.
///
/// # Errors
/// See [`Error`].
pub fn documents(content: &Content<'_>, format: SeedFormat) -> Result<Documents, Error> {
    let size = content.user_data.map_or(0, |data| data.expose_secret().len());
    if size > USER_DATA_LIMIT {
        return Err(Error::TooLarge { size, limit: USER_DATA_LIMIT });
    }
    let injected = content.attributes.size();
    if injected > FILES_LIMIT {
        return Err(Error::Files { size: injected, limit: FILES_LIMIT });
    }
    if !content.spec.volumes.is_empty() && format != SeedFormat::CloudInit {
        return Err(Error::Volumes);
    }
    let (label, files) = match format {
        SeedFormat::CloudInit => {
            let own = content.user_data.map_or("#cloud-config\n{}\n", |data| data.expose_secret());
            let files = vec![
                ("meta-data", cloud_init::meta_data(content)?),
                ("user-data", cloud_init::user_data(content, own)),
                ("vendor-data", cloud_init::vendor_data(content)?),
                ("network-config", network::config(content.spec.network.as_ref(), content.boot_mac)?),
            ];
            ("CIDATA", files)
        }
        SeedFormat::Ignition => ("CONFIG-2", vec![(ignition::PATH, ignition::config(content)?)]),
        SeedFormat::Kickstart => ("OEMDRV", vec![("ks.cfg", kickstart::file(content)?)]),
        SeedFormat::Preseed => ("PRESEED", vec![("preseed.cfg", preseed::file(content)?)]),
    };
    Ok(Documents { label, files })
}

/// The seed's file system, for a disk with sectors of `sector` bytes.
///
/// # Errors
/// See [`Error`].
pub fn image(content: &Content<'_>, format: SeedFormat, sector: u32) -> Result<Seed, Error> {
    let documents = documents(content, format)?;
    volume::fat(documents.label, &documents.files, sector).map_err(Error::Volume)
}

#[cfg(test)]
mod tests;
