//! One segment in and out: the encoder that finds the holes in a run of bytes, and the decoder that proves it right.
//!
//! Both work on one segment in memory and do no I/O.

use underlay_core::image::{Blake3, Encoding, Mismatch, Segment};

/// How much of the disk is encoded at a time, in bytes.
pub const LENGTH: usize = 4 << 20;
/// The smallest run of zeros, in bytes, worth a hole of its own.
pub const MIN_HOLE: usize = 64 << 10;
/// Holes inside a segment are looked for up to this byte of the disk; behind it only whole segments become holes, so
/// that the number of segments stays bounded.
pub const SPLIT_UNTIL: u64 = 32 << 30;
/// Bounds of holes are multiples of this, so that they suit disks of 4 KiB sectors.
const BLOCK: usize = 4 << 10;
const ZSTD_LEVEL: i32 = 3;
/// Saving less than a thirty-second is not worth the agent's time.
const WORTH: usize = 32;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Why a segment cannot be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stored bytes are not the manifest's.
    #[error(transparent)]
    Stored(#[from] Mismatch),
    /// The compressor failed.
    #[error("compressing the segment at byte {offset} failed")]
    Compress {
        /// Where it begins on the disk.
        offset: u64,
        /// What zstd said.
        source: std::io::Error,
    },
    /// The frame is damaged, or longer than the segment.
    #[error("decompressing the segment at byte {offset} failed")]
    Decompress {
        /// Where it begins on the disk.
        offset: u64,
        /// What zstd said.
        source: std::io::Error,
    },
    /// It decoded to the wrong length.
    #[error("the segment at byte {offset} decodes to {found} bytes instead of {expected}")]
    Length {
        /// Where it begins on the disk.
        offset: u64,
        /// The manifest's length.
        expected: u64,
        /// What came out.
        found: u64,
    },
}

/// An encoded segment that does not know yet where it will be stored.
pub(crate) struct Piece {
    pub(crate) length: u64,
    pub(crate) encoding: Encoding,
    pub(crate) stored: Vec<u8>,
    pub(crate) blake3: Blake3,
}

impl Piece {
    pub(crate) fn hole(length: u64) -> Self {
        Self { length, encoding: Encoding::Hole, stored: Vec::new(), blake3: Blake3::of(&[]) }
    }
}

/// Encodes runs of the disk; kept for its compressor's memory.
pub(crate) struct Encoder {
    compressor: zstd::bulk::Compressor<'static>,
}

impl Encoder {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { compressor: zstd::bulk::Compressor::new(ZSTD_LEVEL)? })
    }

    /// Encodes `bytes`, at most [`LENGTH`], which lie at `offset` on the disk, as pieces in order.
    pub(crate) fn encode(&mut self, offset: u64, bytes: &[u8]) -> Result<Vec<Piece>, Error> {
        let min_hole = if offset < SPLIT_UNTIL { MIN_HOLE } else { LENGTH };
        let mut at = offset;
        let mut pieces = Vec::new();
        for run in runs(bytes, min_hole) {
            let length = run.bytes.len() as u64;
            pieces.push(if run.is_hole { Piece::hole(length) } else { self.data(at, run.bytes)? });
            at += length;
        }
        Ok(pieces)
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<Piece, Error> {
        let frame = self.compressor.compress(bytes).map_err(|source| Error::Compress { offset, source })?;
        let pays = frame.len() < bytes.len() - bytes.len() / WORTH;
        let (encoding, stored) = if pays { (Encoding::Zstd, frame) } else { (Encoding::Raw, bytes.to_vec()) };
        Ok(Piece { length: bytes.len() as u64, encoding, blake3: Blake3::of(&stored), stored })
    }
}

/// A part of a segment that is all hole or all data.
struct Run<'a> {
    bytes: &'a [u8],
    is_hole: bool,
}

/// Cuts `bytes` into holes of at least `min_hole` (or all of it) and what lies between them.
fn runs(bytes: &[u8], min_hole: usize) -> Vec<Run<'_>> {
    let mut found = Vec::new();
    // The data not yet cut off begins at `data`; the zeros seen last begin at `zeros`.
    let (mut data, mut zeros) = (0, 0);
    let mut cut = |data: &mut usize, zeros: usize, end: usize| {
        let whole = zeros == 0 && end == bytes.len();
        if end - zeros < min_hole && !whole || zeros == end {
            return;
        }
        for (range, is_hole) in [(*data..zeros, false), (zeros..end, true)] {
            found.extend(bytes.get(range).filter(|b| !b.is_empty()).map(|bytes| Run { bytes, is_hole }));
        }
        *data = end;
    };
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        if !is_zero(block) {
            cut(&mut data, zeros, index * BLOCK);
            zeros = index * BLOCK + block.len();
        }
    }
    cut(&mut data, zeros, bytes.len());
    found.extend(bytes.get(data..).filter(|b| !b.is_empty()).map(|bytes| Run { bytes, is_hole: false }));
    found
}

/// `block` is at most [`BLOCK`] long.
fn is_zero(block: &[u8]) -> bool {
    ZEROS.get(..block.len()).is_some_and(|zeros| zeros == block)
}

/// Puts what `segment` covers of the disk into `out`, replacing what was there, after checking that `stored` are its
/// stored bytes. A hole gives zeros: callers that can skip holes do so before they come here.
pub fn decode(segment: &Segment, stored: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    segment.check(stored)?;
    let offset = segment.offset;
    let length = usize::try_from(segment.length).unwrap_or(usize::MAX);
    out.clear();
    match segment.encoding {
        Encoding::Hole => out.resize(length, 0),
        Encoding::Raw => out.extend_from_slice(stored),
        Encoding::Zstd => {
            *out = zstd::bulk::decompress(stored, length)
                .map_err(|source| Error::Decompress { offset, source })?;
        }
    }
    if out.len() != length {
        return Err(Error::Length { offset, expected: segment.length, found: out.len() as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(bytes: &[u8]) -> Vec<(bool, usize)> {
        runs(bytes, MIN_HOLE).iter().map(|run| (run.is_hole, run.bytes.len())).collect()
    }

    #[test]
    fn holes_are_cut_out_where_they_pay() {
        let mut bytes = vec![0; 1 << 20];
        assert_eq!(shape(&bytes), [(true, 1 << 20)]);
        bytes[300_000] = 1;
        let block = 300_000 / BLOCK * BLOCK;
        assert_eq!(shape(&bytes), [(true, block), (false, BLOCK), (true, (1 << 20) - block - BLOCK)]);
        bytes[300_000 + MIN_HOLE] = 1;
        assert_eq!(shape(&bytes).len(), 3, "a gap one block short of a hole is data");
        assert_eq!(shape(&[0; 512]), [(true, 512)], "a tail of zeros alone is a hole however short");
        assert_eq!(shape(&[]), []);
    }

    #[test]
    fn far_out_only_whole_segments_become_holes() {
        let mut encoder = Encoder::new().unwrap();
        let mut bytes = vec![0; LENGTH];
        bytes[0] = 1;
        assert_eq!(encoder.encode(0, &bytes).unwrap().len(), 2);
        assert_eq!(encoder.encode(SPLIT_UNTIL, &bytes).unwrap().len(), 1);
        bytes[0] = 0;
        let pieces = encoder.encode(SPLIT_UNTIL, &bytes).unwrap();
        assert!(matches!(pieces.as_slice(), [Piece { encoding: Encoding::Hole, .. }]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_encoded_decodes_to_itself(runs in prop::collection::vec((0_u8..4, 1_usize..40), 1..12)) {
            let mut bytes = Vec::new();
            for (index, (fill, blocks)) in runs.iter().enumerate() {
                for n in 0..blocks * 4096_usize {
                    bytes.push(match fill {
                        0 | 1 => 0,
                        2 => index as u8 + 1,
                        _ => blake3::hash(&(n as u64 / 32).to_le_bytes()).as_bytes()[n % 32],
                    });
                }
            }
            let mut whole = Vec::new();
            for piece in Encoder::new().unwrap().encode(0, &bytes).unwrap() {
                let segment = Segment {
                    offset: whole.len() as u64,
                    length: piece.length,
                    encoding: piece.encoding,
                    stored_offset: 0,
                    stored_length: piece.stored.len() as u64,
                    blake3: piece.blake3,
                };
                let mut out = vec![9; 3];
                decode(&segment, &piece.stored, &mut out).unwrap();
                whole.extend(out);
            }
            prop_assert!(whole == bytes);
        }
    }

    #[test]
    fn a_frame_longer_or_shorter_than_its_segment_is_refused() {
        let stored = zstd::bulk::compress(&[1; 8192], 3).unwrap();
        let blake3 = Blake3::of(&stored);
        for length in [512, 4096, 16384] {
            let segment = Segment {
                offset: 0,
                length,
                encoding: Encoding::Zstd,
                stored_offset: 0,
                stored_length: stored.len() as u64,
                blake3,
            };
            assert!(decode(&segment, &stored, &mut Vec::new()).is_err(), "{length}");
        }
    }
}
