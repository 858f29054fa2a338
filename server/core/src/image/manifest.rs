//! The manifest of an image: what a disk must read like, segment by segment, and the one digest that vouches for it.
//!
//! A [`Manifest`] that exists is sound: its segments cover the disk from the first byte to the last without gap or
//! overlap, their stored bytes lie one after the other in the data blob, and its digest is right. Whoever holds the
//! digest needs to trust nobody else: the digest covers the manifest, the manifest each segment's stored bytes, so the
//! two make a tree of hashes two levels deep and every segment can be verified alone.
//!
//! There are two spellings. JSON is for people and tools; the canonical bytes (see [`Manifest::encode`]) are what the
//! digest is taken over, and what an agent should fetch, since it can check them before it parses a single field.

use serde::{Deserialize, Serialize};

use super::{Blake3, Encoding, Segment, Sha256};

/// The version of the manifest's form and meaning. A reader refuses any other.
pub const FORMAT_VERSION: u32 = 1;
/// The sector size, in bytes, that an image's partition table counts in, and to which all its bounds are aligned.
pub const SECTOR_SIZE: u64 = 512;
/// The longest run, in bytes, that is stored as one segment; holes may be longer. It bounds a reader's memory.
pub const MAX_SEGMENT_LENGTH: u64 = 8 << 20;
/// The most segments a manifest may have.
pub const MAX_SEGMENTS: usize = 1 << 20;

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON of the right shape, or it holds an encoding this program does not know.
    #[error("the manifest cannot be read")]
    ReadJson(#[source] serde_json::Error),
    /// The canonical bytes end early, go on too long, or hold a value outside its range.
    #[error("the manifest's canonical bytes are malformed: {0}")]
    ReadCanonical(&'static str),
    /// It was written by another generation of underlay.
    #[error("the manifest has format version {0}, this program reads version {FORMAT_VERSION}")]
    Version(u32),
    /// Another sector size than ours.
    #[error("the manifest counts in sectors of {0} bytes, this program in {SECTOR_SIZE}")]
    SectorSize(u64),
    /// Its digest is not that of its contents.
    #[error("the manifest hashes to {found}, but {expected} was promised")]
    Digest {
        /// What was promised.
        expected: Blake3,
        /// What the contents hash to.
        found: Blake3,
    },
    /// One segment breaks a rule.
    #[error("segment {index} of the manifest {fault}")]
    Segment {
        /// Its place in the list, from 0.
        index: usize,
        /// Which rule, as the end of the sentence.
        fault: &'static str,
    },
    /// The segments end before or after the disk does.
    #[error("the manifest's segments cover {covered} bytes of an image of {virtual_size}")]
    Coverage {
        /// The sum of the segments' lengths.
        covered: u64,
        /// The promised size.
        virtual_size: u64,
    },
    /// More segments than any reader accepts.
    #[error("the manifest has {0} segments, at most {MAX_SEGMENTS} are accepted")]
    TooManySegments(u64),
}

/// A sound description of one image. See the file's header for what "sound" promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Manifest {
    source_sha256: Sha256,
    virtual_size: u64,
    segments: Vec<Segment>,
    digest: Blake3,
}

impl Manifest {
    /// The manifest of `virtual_size` bytes (a multiple of [`SECTOR_SIZE`]) made of `segments`, in order of offset.
    pub fn new(source_sha256: Sha256, virtual_size: u64, segments: Vec<Segment>) -> Result<Self, Error> {
        check_layout(virtual_size, &segments)?;
        let mut manifest =
            Self { source_sha256, virtual_size, segments, digest: Blake3::from_bytes([0; 32]) };
        manifest.digest = Blake3::of(&manifest.encode());
        Ok(manifest)
    }

    /// Reads JSON and believes it only if it hashes to the digest it carries.
    /// An agent compares [`Manifest::digest`] with the one it was told, or uses [`Manifest::decode`].
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let wire: Wire = serde_json::from_slice(json).map_err(Error::ReadJson)?;
        wire.try_into()
    }

    /// The JSON spelling, one segment a line.
    pub fn to_json(&self) -> String {
        super::json::write(self)
    }

    /// The SHA-256 of the source this was imported from; it names the image.
    pub fn source_sha256(&self) -> Sha256 {
        self.source_sha256
    }

    /// The size of the disk image, in bytes: the least a disk must have. The source's size, rounded up to a sector.
    pub fn virtual_size(&self) -> u64 {
        self.virtual_size
    }

    /// The segments, in order of offset.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The BLAKE3 of the canonical bytes.
    pub fn digest(&self) -> Blake3 {
        self.digest
    }

    /// The size of the data blob, in bytes: what is sent when the whole image is fetched.
    pub fn stored_size(&self) -> u64 {
        self.segments.last().map_or(0, Segment::stored_end)
    }

    /// How many bytes of the disk are not holes.
    pub fn data_size(&self) -> u64 {
        self.segments.iter().filter(|s| s.encoding != Encoding::Hole).map(|s| s.length).sum()
    }
}

/// Checks the rules that make a manifest sound.
fn check_layout(virtual_size: u64, segments: &[Segment]) -> Result<(), Error> {
    if segments.len() > MAX_SEGMENTS {
        return Err(Error::TooManySegments(u64::try_from(segments.len()).unwrap_or(u64::MAX)));
    }
    let (mut offset, mut stored) = (0_u64, 0_u64);
    for (index, segment) in segments.iter().enumerate() {
        if let Some(fault) = segment_fault(segment, offset, stored) {
            return Err(Error::Segment { index, fault });
        }
        let overflow = Error::Segment { index, fault: "ends past the largest number" };
        (offset, stored) = offset
            .checked_add(segment.length)
            .zip(stored.checked_add(segment.stored_length))
            .ok_or(overflow)?;
    }
    if offset != virtual_size || virtual_size == 0 {
        return Err(Error::Coverage { covered: offset, virtual_size });
    }
    Ok(())
}

/// The first rule that `segment` breaks, if it must begin at `offset` on the disk and at `stored` in the blob.
fn segment_fault(segment: &Segment, offset: u64, stored: u64) -> Option<&'static str> {
    if segment.offset != offset {
        return Some("does not begin where the one before it ends");
    }
    if segment.stored_offset != stored {
        return Some("is not stored behind the one before it");
    }
    if segment.length == 0 || !segment.length.is_multiple_of(SECTOR_SIZE) {
        return Some("is empty, or no whole number of sectors long");
    }
    if segment.encoding != Encoding::Hole && segment.length > MAX_SEGMENT_LENGTH {
        return Some("is longer than a segment may be");
    }
    let fits = match segment.encoding {
        Encoding::Hole => segment.stored_length == 0 && segment.blake3 == Blake3::of(&[]),
        Encoding::Raw => segment.stored_length == segment.length,
        Encoding::Zstd => segment.stored_length > 0 && segment.stored_length < segment.length,
    };
    if fits { None } else { Some("stores more or less than its encoding allows") }
}

/// The JSON document, field by field; it becomes a [`Manifest`] only by passing every check.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    /// [`FORMAT_VERSION`].
    pub(super) version: u32,
    /// SHA-256 of the source bytes, in hex.
    pub(super) source_sha256: Sha256,
    /// Size of the disk image in bytes.
    pub(super) virtual_size: u64,
    /// [`SECTOR_SIZE`].
    pub(super) sector_size: u64,
    /// BLAKE3 of the canonical bytes, in hex.
    pub(super) digest: Blake3,
    /// In order of offset.
    pub(super) segments: Vec<Segment>,
}

impl From<Manifest> for Wire {
    fn from(manifest: Manifest) -> Wire {
        Wire {
            version: FORMAT_VERSION,
            source_sha256: manifest.source_sha256,
            virtual_size: manifest.virtual_size,
            sector_size: SECTOR_SIZE,
            digest: manifest.digest,
            segments: manifest.segments,
        }
    }
}

impl TryFrom<Wire> for Manifest {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self, Error> {
        if wire.version != FORMAT_VERSION {
            return Err(Error::Version(wire.version));
        }
        if wire.sector_size != SECTOR_SIZE {
            return Err(Error::SectorSize(wire.sector_size));
        }
        let manifest = Manifest::new(wire.source_sha256, wire.virtual_size, wire.segments)?;
        if manifest.digest != wire.digest {
            return Err(Error::Digest { expected: wire.digest, found: manifest.digest });
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests;
