//! QEMU copy-on-write images, versions 2 and 3, read by ourselves and only forwards.
//!
//! An image is hostile until read to the end. Whatever could reach outside the one file (a backing file, an external
//! data file) or is not understood is refused by name; every offset is held against the file's length before it is
//! followed; memory is bounded by one L1 table (32 MiB, and no more than the file holds), one L2 table and one cluster.
//! Reference counts, snapshots and bitmaps are never looked at: they serve writers.
//!
//! Follows `docs/interop/qcow2.txt` of QEMU, the sections named in each file.

mod cluster;
mod header;
mod reader;
#[cfg(test)]
mod tests;

pub use reader::{Extent, Reader};

use std::io;

/// Why an image is not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the qcow2 file cannot be read at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The header ends early or contradicts itself.
    #[error("the qcow2 header is malformed: {0}")]
    Header(&'static str),
    /// It needs something that is not supported, and may never be.
    #[error("the qcow2 image uses {0}, which is refused")]
    Unsupported(&'static str),
    /// Incompatible feature bits nobody has told us of.
    #[error("the qcow2 image uses unknown incompatible features (bits {0:#x})")]
    UnknownFeatures(u64),
    /// The disk is larger than the import may make.
    #[error("the qcow2 image describes a disk of {size} bytes, at most {limit} are accepted")]
    TooBig {
        /// What the header says.
        size: u64,
        /// [`crate::Limits::virtual_size`].
        limit: u64,
    },
    /// A table or cluster lies outside the file.
    #[error("the {what} for byte {guest} of the disk lies at byte {offset} of a file of {length} bytes")]
    OutOfBounds {
        /// "L1 table", "L2 table" or "cluster".
        what: &'static str,
        /// The byte of the disk that was looked up.
        guest: u64,
        /// Where the file would have to be read.
        offset: u64,
        /// How long it is.
        length: u64,
    },
    /// A table entry with reserved bits set, or that points between clusters.
    #[error("the {what} entry for byte {guest} of the disk is malformed ({entry:#018x})")]
    Entry {
        /// "L1" or "L2".
        what: &'static str,
        /// The byte of the disk that was looked up.
        guest: u64,
        /// The entry.
        entry: u64,
    },
    /// A compressed cluster that does not decompress to a whole cluster.
    #[error("the compressed cluster for byte {guest} of the disk is damaged")]
    Compressed {
        /// The byte of the disk that was looked up.
        guest: u64,
        /// What the decompressor said.
        source: io::Error,
    },
}
