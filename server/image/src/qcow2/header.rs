//! The header (qcow2.txt, "Header" and "Additional fields"): which features are in use, and where the L1 table is.
//!
//! Header extensions are skipped: each that could matter (external data file, encryption) is also announced by a field
//! or a feature bit, and those are checked.

use super::Error;

/// The longest part of the header we read, in bytes.
pub(super) const LENGTH: usize = 112;

const INCOMPATIBLE_DIRTY: u64 = 1 << 0;
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;
/// What QEMU allows: 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// What QEMU allows for an L1 table, in entries: 32 MiB.
const MAX_L1_ENTRIES: u64 = (32 << 20) / 8;

/// How compressed clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Deflate without a zlib header.
    Deflate,
    /// One zstd frame.
    Zstd,
}

/// What of the header is needed for reading; every field has passed its check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// May a cluster be marked as zeros? Not in version 2.
    pub(super) has_zero_flag: bool,
    /// The size of a cluster in bytes, as a power of two.
    pub(super) cluster_bits: u32,
    /// The disk's size in bytes.
    pub(super) size: u64,
    /// Where the L1 table begins.
    pub(super) l1_offset: u64,
    /// How many of its entries cover the disk.
    pub(super) l1_entries: u64,
    pub(super) compression: Compression,
}

impl Header {
    pub(super) fn parse(bytes: &[u8], limit: u64) -> Result<Self, Error> {
        let fields = Fields(bytes);
        if fields.u32(0)? != 0x5146_49fb {
            return Err(Error::Header("it does not begin as a qcow2 file does"));
        }
        let version = fields.u32(4)?;
        if !matches!(version, 2 | 3) {
            return Err(Error::Unsupported("a format version other than 2 and 3"));
        }
        if fields.u64(8)? != 0 || fields.u32(16)? != 0 {
            return Err(Error::Unsupported("a backing file"));
        }
        if fields.u32(32)? != 0 {
            return Err(Error::Unsupported("encryption"));
        }
        let compression = if version == 2 { Compression::Deflate } else { features(&fields)? };
        let cluster_bits = fields.u32(20)?;
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(Error::Header("its cluster size is not between 512 bytes and 2 MiB"));
        }
        let size = fields.u64(24)?;
        if size > limit {
            return Err(Error::TooBig { size, limit });
        }
        if size == 0 {
            return Err(Error::Header("its disk is empty"));
        }
        let l1_entries = size.div_ceil(1 << (2 * cluster_bits - 3));
        if l1_entries > MAX_L1_ENTRIES {
            return Err(Error::Header("its L1 table would be larger than 32 MiB"));
        }
        if u64::from(fields.u32(36)?) < l1_entries {
            return Err(Error::Header("its L1 table is too short for its disk"));
        }
        let l1_offset = fields.u64(40)?;
        if l1_offset == 0 || !l1_offset.is_multiple_of(1 << cluster_bits) {
            return Err(Error::Header("its L1 table does not begin at a cluster"));
        }
        Ok(Self { has_zero_flag: version == 3, cluster_bits, size, l1_offset, l1_entries, compression })
    }
}

/// Checks what version 3 adds.
fn features(fields: &Fields<'_>) -> Result<Compression, Error> {
    let incompatible = fields.u64(72)?;
    for (bit, what) in [
        (INCOMPATIBLE_CORRUPT, "structures it has itself marked as corrupt"),
        (INCOMPATIBLE_DATA_FILE, "an external data file"),
        (INCOMPATIBLE_EXTENDED_L2, "extended L2 entries (subclusters)"),
    ] {
        if incompatible & bit != 0 {
            return Err(Error::Unsupported(what));
        }
    }
    // A dirty image has stale reference counts, which a reader never asks for.
    let unknown = incompatible & !(INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION);
    if unknown != 0 {
        return Err(Error::UnknownFeatures(unknown));
    }
    let length = fields.u32(100)?;
    if length < 104 || !length.is_multiple_of(8) {
        return Err(Error::Header("its length field is impossible"));
    }
    if incompatible & INCOMPATIBLE_COMPRESSION == 0 {
        return Ok(Compression::Deflate);
    }
    match fields.u8(104)? {
        _ if length < 112 => Err(Error::Header("it is too short for its compression type")),
        0 => Ok(Compression::Deflate),
        1 => Ok(Compression::Zstd),
        _ => Err(Error::Unsupported("an unknown compression type")),
    }
}

/// Big-endian fields at fixed places.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Error> {
        let field = self.0.get(at..).and_then(|rest| rest.first_chunk());
        field.copied().ok_or(Error::Header("it ends early"))
    }

    fn u8(&self, at: usize) -> Result<u8, Error> {
        self.array(at).map(u8::from_be_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, Error> {
        self.array(at).map(u32::from_be_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, Error> {
        self.array(at).map(u64::from_be_bytes)
    }
}
