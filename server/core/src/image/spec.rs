//! The image as a noun: where its source is and which bytes it must be.

use serde::{Deserialize, Serialize};

use super::Sha256;
use crate::{Bytes, FieldError, Kind, Noun};

/// Marks images in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image;

impl Noun for Image {
    const KIND: Kind = Kind::Image;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}

/// Desired state of an image. Another `sha256` is another image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Where to read the source: `https://`, `http://`, `file://` under a directory the server allows, or
    /// `upload://sha256/HEX` for one that was uploaded.
    pub url: String,
    /// What the source must hash to.
    pub sha256: Sha256,
    /// `x86_64` or `aarch64`.
    pub arch: String,
    /// How a system of it is told what it is.
    #[serde(default, skip_serializing_if = "SeedFormat::is_default")]
    pub seed: SeedFormat,
}

/// How an installed system, or the installer of one, is told what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedFormat {
    /// cloud-init, by its NoCloud data source.
    #[default]
    CloudInit,
    /// Ignition of Flatcar and its like, by a config drive.
    Ignition,
    /// The image is Anaconda's installer, which takes a kickstart file.
    Kickstart,
    /// The image is Debian's installer, which takes a preconfiguration file.
    Preseed,
}

impl SeedFormat {
    /// Each with the word used in HCL.
    pub const ALL: [(&str, SeedFormat); 4] = [
        ("cloud_init", SeedFormat::CloudInit),
        ("ignition", SeedFormat::Ignition),
        ("kickstart", SeedFormat::Kickstart),
        ("preseed", SeedFormat::Preseed),
    ];

    /// The word used in HCL.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("cloud_init", |(word, _)| word)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Where an image stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// Being read, checked and cut into segments.
    Importing,
    /// In the store, verified.
    Ready,
    /// The import failed; a new generation tries again.
    Failed,
    /// Being removed from the store.
    Leaving,
}

/// What readers see of an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `raw`, `qcow2`, and how it was compressed: `raw.zst`.
    pub format: Option<String>,
    /// Size of the disk it describes.
    pub virtual_size: Option<Bytes>,
    /// Bytes it takes in the store.
    pub stored_size: Option<Bytes>,
    /// BLAKE3 of the manifest, hex.
    pub manifest_digest: Option<String>,
}

impl Spec {
    /// The image's id as users and machines write it: `NAME@sha256:HEX`; known at plan.
    pub fn reference(&self, name: &crate::Name) -> String {
        format!("{name}@sha256:{}", self.sha256)
    }
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let known = ["https://", "http://", "file://", "upload://sha256/"]
            .iter()
            .any(|scheme| self.url.starts_with(scheme));
        if !known || self.url.len() > 4096 || self.url.chars().any(|c| c.is_control() || c == ' ') {
            errors.push(FieldError::new("source.url", "must be an https://, http:// or file:// URL, or upload:// as printed by underlay image import"));
        }
        if !["x86_64", "aarch64"].contains(&self.arch.as_str()) {
            errors.push(FieldError::new("arch", "use \"x86_64\" or \"aarch64\""));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Importing => "importing",
            State::Ready => "ready",
            State::Failed => "failed",
            State::Leaving => "leaving",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Ready | State::Failed)
    }
}
