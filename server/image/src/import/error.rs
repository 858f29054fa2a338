//! Why an image is not imported, and how a person is told.

use std::{io, path::Path};

use underlay_core::{
    ErrorKind, Failure,
    image::{Sha256, manifest},
};

use crate::{
    detect::{Compression, Refused},
    encode, fetch, qcow2, segment, store,
};

/// A variant per thing that stops an import. Whatever it is, nothing of the image is in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be fetched, or not whole.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// The file or upload cannot be read to its end.
    #[error("the source cannot be read to its end")]
    ReadSource(#[source] io::Error),
    /// The source goes on beyond the bound.
    #[error("the source has more than the {limit} bytes that are accepted")]
    SourceTooLarge {
        /// [`crate::Limits::source`].
        limit: u64,
    },
    /// There is nothing in it.
    #[error("the source, or what is packed in it, is empty")]
    Empty,
    /// It is not what was promised.
    #[error("the {read} bytes read hash to sha256 {found}, {expected} was promised")]
    WrongChecksum {
        /// What was promised.
        expected: Sha256,
        /// The hash of what was read.
        found: Sha256,
        /// How much was read.
        read: u64,
    },
    /// A format that is recognised and not imported.
    #[error(transparent)]
    Refused(Refused),
    /// More than one layer of compression.
    #[error("it is {inner} packed in {outer}; one layer is unpacked")]
    Nested {
        /// What was unpacked.
        outer: Compression,
        /// What was inside.
        inner: Compression,
    },
    /// The checksum is right, but the packing is damaged or cut short.
    #[error("the {compression} stream is damaged or ends early")]
    Unpack {
        /// The packing.
        compression: Compression,
        /// What the decoder said.
        source: io::Error,
    },
    /// The disk is larger than accepted, whatever its packed size.
    #[error("the disk in it has more than the {limit} bytes that are accepted")]
    DiskTooLarge {
        /// [`crate::Limits::virtual_size`].
        limit: u64,
    },
    /// A qcow2 that is refused or damaged.
    #[error(transparent)]
    Qcow2(#[from] qcow2::Error),
    /// A segment could not be compressed.
    #[error(transparent)]
    Encode(segment::Error),
    /// No thread could be started.
    #[error("a thread for encoding cannot be started")]
    Spawn(#[source] io::Error),
    /// What was encoded breaks the manifest's own rules.
    #[error("the image cannot be described")]
    Describe(#[from] manifest::Error),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Nobody wants it any more.
    #[error("the import was cancelled")]
    Cancelled,
    /// The thread that did the work is gone.
    #[error("the import ended without an answer")]
    Lost,
}

impl Error {
    pub(super) fn encode(error: encode::Error, data: &Path) -> Self {
        match error {
            encode::Error::Spawn(source) => Error::Spawn(source),
            encode::Error::Encode(source) => Error::Encode(source),
            encode::Error::Write(source) => Error::Store(store::Error::write(data, source)),
            encode::Error::Lost => Error::Lost,
        }
    }

    /// May it be tried again?
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Fetch(error) => error.kind(),
            Error::Store(error) => error.kind(),
            Error::ReadSource(_) | Error::Spawn(_) | Error::Cancelled | Error::Lost => ErrorKind::Transient,
            Error::Encode(_) | Error::Describe(_) => ErrorKind::Permanent,
            Error::SourceTooLarge { .. }
            | Error::Empty
            | Error::WrongChecksum { .. }
            | Error::Refused(_)
            | Error::Nested { .. }
            | Error::Unpack { .. }
            | Error::DiskTooLarge { .. }
            | Error::Qcow2(_) => ErrorKind::Invalid,
        }
    }

    /// The error in the four parts a reader needs, for the image called `name`.
    pub fn failure(&self, name: &str) -> Failure {
        let failure = Failure::new(
            self.kind(),
            format!("image {name}: import"),
            underlay_core::because(self),
            "Nothing was stored and no disk was touched",
            self.next(),
        );
        match self.attribute() {
            Some(attribute) => failure.at(attribute),
            None => failure,
        }
    }

    /// Which line of the image's definition is to blame.
    fn attribute(&self) -> Option<&'static str> {
        match self {
            Error::WrongChecksum { .. } => Some("source.sha256"),
            _ if self.kind() == ErrorKind::Invalid => Some("source.url"),
            _ => None,
        }
    }

    /// What to do about it.
    fn next(&self) -> &'static str {
        match self {
            Error::Fetch(fetch::Error::Redirect { .. }) => "Write the URL that it leads to, and apply again",
            Error::Fetch(fetch::Error::Changed { .. }) => {
                "Write a URL whose file does not change, with its sha256, and apply again"
            }
            Error::Fetch(fetch::Error::NoClient(_) | fetch::Error::BuildClient(_)) => {
                "Check that the server has a trust store (the ca-certificates package), and restart it"
            }
            Error::Fetch(error) if error.kind() == ErrorKind::Transient => {
                "Check with curl -I from the server that the URL answers, and apply again"
            }
            Error::Fetch(_) => "Check the URL with curl -I from the server, and apply again",
            Error::WrongChecksum { .. } => {
                "Compare with the checksum the publisher gives; correct sha256, or find out who changed the file"
            }
            Error::Refused(_) | Error::Nested { .. } | Error::Qcow2(_) => {
                "Convert it where it was made (qemu-img convert -O raw), publish that with its sha256, and apply again"
            }
            Error::Unpack { .. } | Error::Empty => {
                "The file was published damaged: publish it again with its new sha256, and apply again"
            }
            Error::SourceTooLarge { .. } | Error::DiskTooLarge { .. } => {
                "Make a smaller image, or raise the server's image limits"
            }
            Error::Store(store::Error::Full { .. }) => {
                "Make room, for example by deleting images nobody uses, and apply again"
            }
            Error::Store(_) => "Check the store's directory and the disk beneath it (dmesg), and apply again",
            _ => "Apply again",
        }
    }
}
