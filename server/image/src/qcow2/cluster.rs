//! L2 entries (qcow2.txt, "L2 table entry") and compressed clusters ("Compressed Clusters Descriptor").

use std::io::{self, Read};

use super::header::{Compression, Header};

/// Bits 9 to 55 of an L1 or L2 entry.
pub(super) const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// "This cluster's reference count is exactly one"; of no use to a reader.
pub(super) const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// Largest zstd window of a cluster, as a power of two; a cluster has at most 2 MiB.
const WINDOW_LOG: u32 = 23;

/// Where a cluster's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it reads as zeros.
    Zeros,
    /// Here, as they are.
    Plain(u64),
    /// Here, in at most so many bytes.
    Compressed(u64, u64),
}

/// Reads an L2 entry; `None` if it breaks a rule.
pub(super) fn place(header: &Header, entry: u64) -> Option<Place> {
    if entry & COMPRESSED != 0 {
        let bits = 62 - (header.cluster_bits - 8);
        let offset = entry & ((1 << bits) - 1);
        let sectors = (entry & !(COMPRESSED | COPIED)) >> bits;
        return Some(Place::Compressed(offset, (sectors + 1) * 512 - offset % 512));
    }
    let allowed = OFFSET_MASK | COPIED | if header.has_zero_flag { ZERO } else { 0 };
    let offset = entry & OFFSET_MASK;
    if entry & !allowed != 0 || !offset.is_multiple_of(1 << header.cluster_bits) {
        return None;
    }
    Some(if offset == 0 || entry & ZERO != 0 { Place::Zeros } else { Place::Plain(offset) })
}

/// Decompresses `stored` until `out` is full; what follows is padding.
pub(super) fn decompress(compression: Compression, stored: &[u8], out: &mut [u8]) -> io::Result<()> {
    match compression {
        Compression::Deflate => flate2::bufread::DeflateDecoder::new(stored).read_exact(out),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(stored)?;
            decoder.window_log_max(WINDOW_LOG)?;
            decoder.read_exact(out)
        }
    }
}
