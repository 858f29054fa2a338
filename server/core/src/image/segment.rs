//! One piece of an image: where it lies on the disk, how it is stored, and how to know that it arrived whole.
//!
//! Hashing is all that happens here. Decoding needs a compressor and lives with those who write disks; they call
//! [`Segment::check`] first, so that no byte is decompressed before it is trusted.

use serde::{Deserialize, Serialize};

use super::Blake3;

/// How a segment's bytes are stored. A reader that meets a word it does not know refuses the whole manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Zeros, of which nothing is stored. The reader must make them read as zeros; it may discard instead of write.
    Hole,
    /// As they are.
    Raw,
    /// One zstd frame (RFC 8878) that holds its content size, with a window no larger than the segment.
    Zstd,
}

/// A run of the image that is stored, fetched, verified and written on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Where it begins on the disk, in bytes; a multiple of the sector size.
    pub offset: u64,
    /// How much of the disk it covers, in bytes; a multiple of the sector size, never zero.
    pub length: u64,
    /// How it is stored.
    pub encoding: Encoding,
    /// Where its stored bytes begin in the data blob.
    pub stored_offset: u64,
    /// How many bytes are stored: none for a hole, `length` for raw, fewer for zstd.
    pub stored_length: u64,
    /// BLAKE3 of the stored bytes; for a hole that of no bytes.
    pub blake3: Blake3,
}

/// The stored bytes are not those the manifest speaks of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Too few or too many bytes.
    #[error("the segment at byte {offset} has {expected} stored bytes, {found} were given")]
    Length {
        /// Where the segment begins on the disk.
        offset: u64,
        /// The manifest's `stored_length`.
        expected: u64,
        /// What was given.
        found: u64,
    },
    /// The right number of bytes, but not the right ones.
    #[error("the segment at byte {offset} hashes to {found}, the manifest says {expected}")]
    Hash {
        /// Where the segment begins on the disk.
        offset: u64,
        /// The manifest's BLAKE3.
        expected: Blake3,
        /// That of the bytes given.
        found: Blake3,
    },
}

impl Segment {
    /// Are these the stored bytes the manifest speaks of? To be asked before they are decoded or written.
    pub fn check(&self, stored: &[u8]) -> Result<(), Mismatch> {
        let offset = self.offset;
        let found = u64::try_from(stored.len()).unwrap_or(u64::MAX);
        if found != self.stored_length {
            return Err(Mismatch::Length { offset, expected: self.stored_length, found });
        }
        let found = Blake3::of(stored);
        if found != self.blake3 {
            return Err(Mismatch::Hash { offset, expected: self.blake3, found });
        }
        Ok(())
    }

    /// The first byte of the disk after this segment.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// The first byte of the data blob after what is stored of this segment.
    pub fn stored_end(&self) -> u64 {
        self.stored_offset.saturating_add(self.stored_length)
    }
}
