//! The seed's file system as it lies on a disk, and what an installed system takes from it (cloud-init's NoCloud data
//! source). Kept without its empty sectors: a seed is a mebibyte of which a few kilobytes are something.

use std::io::{Cursor, Read};

use fatfs::{FileSystem, FsOptions};
use serde::Deserialize;

use super::files::{self, Files};

const SECTOR: usize = 512;
/// The longest volume that is kept, and the longest document that is read of it.
const LONGEST: usize = 16 << 20;
const DOCUMENT: u64 = 1 << 20;

/// A volume without its empty sectors.
#[derive(Debug, PartialEq, Eq)]
pub struct Volume {
    length: usize,
    sectors: Box<[(u32, Box<[u8]>)]>,
}

/// What an installed system takes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Changes with every deployment.
    pub instance: String,
    /// The system's name.
    pub hostname: String,
    /// The one-time URL, where there is one.
    pub phone_home: Option<String>,
    /// How often it is tried.
    pub tries: u32,
    /// The files that it makes the system write.
    pub files: Files,
}

/// The seed makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No FAT, or no such file on it.
    #[error("reading {file} from the seed's file system")]
    Volume {
        /// Which file.
        file: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A document that is no JSON.
    #[error("reading {file}")]
    Document {
        /// Which file.
        file: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is longer than a seed may be.
    #[error("a seed of {0} bytes is not taken")]
    TooLong(usize),
}

impl Volume {
    /// What lies on the disk.
    pub fn of(bytes: &[u8]) -> Self {
        let sectors = bytes
            .chunks(SECTOR)
            .enumerate()
            .filter(|(_, sector)| sector.iter().any(|byte| *byte != 0))
            .filter_map(|(at, sector)| Some((u32::try_from(at).ok()?, Box::from(sector))))
            .collect();
        Self { length: bytes.len(), sectors }
    }

    /// What lies on the disk once these runs are written, each with where it begins.
    pub fn of_runs<'a>(length: usize, runs: impl Iterator<Item = (usize, &'a [u8])>) -> Self {
        let sectors = runs.flat_map(|(begin, run)| {
            let places = (begin / SECTOR..).filter_map(|at| u32::try_from(at).ok());
            places.zip(run.chunks(SECTOR).map(Box::from))
        });
        Self { length, sectors: sectors.collect() }
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> u64 {
        self.length as u64
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads it as an installed system does.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(&self) -> Result<Seed, Error> {
        let meta: Meta = document(&self.file("meta-data")?, "meta-data")?;
        let vendor = self.file("vendor-data")?;
        let vendor: Vendor =
            document(vendor.trim_start_matches("#cloud-config").trim_start(), "vendor-data")?;
        Ok(Seed {
            instance: meta.instance,
            hostname: meta.hostname,
            tries: vendor.phone_home.as_ref().map_or(1, |call| call.tries),
            phone_home: vendor.phone_home.map(|call| call.url),
            // An older server's seed may have none.
            files: self.file("user-data").map(|text| files::of(&text)).unwrap_or_default(),
        })
    }

    fn file(&self, file: &'static str) -> Result<String, Error> {
        let failed = |source| Error::Volume { file, source };
        if self.length > LONGEST {
            return Err(Error::TooLong(self.length));
        }
        let mut bytes = vec![0; self.length];
        for (at, sector) in &self.sectors {
            let begin = usize::try_from(*at).unwrap_or(0) * SECTOR;
            if let Some(to) = bytes.get_mut(begin..begin + sector.len()) {
                to.copy_from_slice(sector);
            }
        }
        let options = FsOptions::new().update_accessed_date(false);
        let system = FileSystem::new(Cursor::new(bytes), options).map_err(failed)?;
        let mut text = String::new();
        let opened = system.root_dir().open_file(file).map_err(failed)?;
        opened.take(DOCUMENT).read_to_string(&mut text).map_err(failed)?;
        Ok(text)
    }
}

fn document<'a, T: Deserialize<'a>>(text: &'a str, file: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Document { file, source })
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "instance-id")]
    instance: String,
    #[serde(rename = "local-hostname")]
    hostname: String,
}

#[derive(Deserialize)]
struct Vendor {
    phone_home: Option<PhoneHome>,
}

#[derive(Deserialize)]
struct PhoneHome {
    url: String,
    #[serde(default = "ten")]
    tries: u32,
}

/// cloud-init's default.
fn ten() -> u32 {
    10
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    /// A seed as the server makes one.
    pub(crate) fn volume(instance: &str, url: &str) -> Vec<u8> {
        let mut volume = Cursor::new(vec![0; 1 << 20]);
        fatfs::format_volume(&mut volume, fatfs::FormatVolumeOptions::new()).unwrap();
        let system = FileSystem::new(&mut volume, FsOptions::new()).unwrap();
        let meta = format!(r#"{{"instance-id":"{instance}","local-hostname":"web"}}"#);
        let vendor = format!("#cloud-config\n{{\"phone_home\":{{\"url\":\"{url}\",\"tries\":20}}}}\n");
        for (name, text) in [("meta-data", meta), ("vendor-data", vendor)] {
            system.root_dir().create_file(name).unwrap().write_all(text.as_bytes()).unwrap();
        }
        system.unmount().unwrap();
        volume.into_inner()
    }

    #[test]
    fn a_seed_is_read_from_what_was_kept_of_it() {
        let kept = Volume::of(&volume("i-1", "http://127.0.0.1/x"));
        assert!(kept.sectors.len() * SECTOR < 16 << 10, "{} sectors", kept.sectors.len());
        let seed = kept.read().unwrap();
        assert_eq!((seed.instance.as_str(), seed.hostname.as_str(), seed.tries), ("i-1", "web", 20));
        assert_eq!(seed.phone_home.as_deref(), Some("http://127.0.0.1/x"));
    }

    #[test]
    fn what_is_no_seed_is_an_error() {
        for bytes in [vec![], vec![0; 1 << 20], vec![0xff; 1 << 16]] {
            assert!(Volume::of(&bytes).read().is_err());
        }
        let mut spoiled = volume("i-1", "http://127.0.0.1/x");
        for at in (0..spoiled.len()).step_by(97) {
            spoiled[at] ^= 0x55;
        }
        assert!(Volume::of(&spoiled).read().is_err());
    }
}
