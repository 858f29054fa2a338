//! What can go wrong in a deployment, whom it speaks against, and how it reads.

use std::io;

use underlay_core::{
    ErrorKind, Failure,
    agent::Touched,
    image::{self, segment},
};

use super::{choose, identity, seed};
use crate::source;

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This is not the host.
    #[error("this is not the host the order is for")]
    Identity(#[source] identity::Mismatch),
    /// No disk can be chosen.
    #[error("the root disk is not clear")]
    Choose(#[source] choose::Error),
    /// The order's digest is none.
    #[error("the order's manifest digest cannot be read")]
    Digest(#[source] image::digest::BadDigest),
    /// The manifest did not come.
    #[error("the manifest cannot be fetched")]
    FetchManifest(#[source] source::Error),
    /// It is not the one, or not sound.
    #[error("the manifest is refused")]
    Manifest(#[source] image::manifest::Error),
    /// Its size is not the order's.
    #[error("the manifest describes {found} bytes, the order {expected}")]
    Size {
        /// From the order.
        expected: u64,
        /// From the manifest.
        found: u64,
    },
    /// There is no place for the seed.
    #[error("the seed has no place on the disk")]
    Seed(#[source] seed::Error),
    /// The disk cannot be opened.
    #[error("{disk} cannot be opened")]
    Open {
        /// Kernel name.
        disk: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The data stopped coming.
    #[error("the image data cannot be fetched")]
    FetchData(#[source] source::Error),
    /// The data that came is not the image's, again and again.
    #[error("the image data is corrupt")]
    Corrupt(#[source] segment::Mismatch),
    /// The data is what the manifest says, and yet cannot be decoded.
    #[error("the segment at byte {offset} cannot be decoded")]
    Decode {
        /// Where it begins on the disk.
        offset: u64,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
    /// The disk does not take it.
    #[error("writing at byte {offset} failed")]
    Write {
        /// Where.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The disk cannot be read.
    #[error("reading at byte {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The disk does not confirm what was written.
    #[error("flushing the disk failed")]
    Sync(#[source] io::Error),
    /// No thread could be started.
    #[error("the writer cannot be started")]
    Start(#[source] io::Error),
}

impl Error {
    /// May it be tried again as it is?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::FetchManifest(source) | Error::FetchData(source) => source.kind(),
            Error::Start(_) | Error::Corrupt(_) => ErrorKind::Transient,
            Error::Choose(_) | Error::Seed(_) => ErrorKind::Invalid,
            _ => ErrorKind::Permanent,
        }
    }

    /// Only a disk that does not do what disks do speaks against the host.
    pub fn blames_host(&self) -> bool {
        matches!(self, Error::Open { .. } | Error::Write { .. } | Error::Read { .. } | Error::Sync(_))
    }

    /// In the four parts a person reads.
    pub fn into_failure(self, touched: Touched) -> Failure {
        let done = match touched {
            Touched::No => "No byte was written to any disk",
            Touched::Yes => {
                "The root disk holds part of the image; it is written again from the start next time"
            }
        };
        let mut failure = Failure::new(self.kind(), "Deploying the image", chain(&self), done, self.next());
        failure.attribute = self.attribute().map(str::to_owned);
        failure.blames_host = self.blames_host();
        failure
    }

    fn attribute(&self) -> Option<&'static str> {
        match self {
            Error::Choose(_) => Some("root"),
            Error::Seed(_) | Error::Manifest(_) | Error::Decode { .. } => Some("image"),
            _ => None,
        }
    }

    fn next(&self) -> &'static str {
        match self {
            Error::Identity(_) => "Compare the host's identity and BMC address with the machine in the rack",
            Error::Choose(choose::Error::Ambiguous { .. }) => {
                "Name the disk: root = { serial = \"...\" }, or by_path, wwn, kind"
            }
            Error::Choose(_) => "Name another disk in root, or use a smaller image",
            Error::Seed(_) => {
                "Use an image with a GPT, or a free primary partition, and a disk with room after it"
            }
            Error::Open { .. } | Error::Write { .. } | Error::Read { .. } | Error::Sync(_) => {
                "Check the disk and its cabling"
            }
            Error::FetchData(_) | Error::FetchManifest(_) => {
                "Check that the host reaches the server's boot endpoint"
            }
            Error::Corrupt(_) => "Check the network path to the server, then the server's image store",
            Error::Digest(_) | Error::Manifest(_) | Error::Size { .. } | Error::Decode { .. } => {
                "Import the image again"
            }
            Error::Start(_) => "Apply again",
        }
    }
}

/// The error and all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
