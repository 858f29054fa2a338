//! The canonical bytes of a manifest: one spelling only, so that a digest can be taken over them.
//!
//! All numbers are little-endian. Offsets are not written: they are the running sums of the lengths, so two segments
//! cannot overlap by construction.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `underlay-image\0\0` |
//! | 4 | format version |
//! | 4 | sector size |
//! | 32 | SHA-256 of the source |
//! | 8 | virtual size |
//! | 8 | number of segments |
//! | 49 each | encoding (0 hole, 1 raw, 2 zstd), length (8), stored length (8), BLAKE3 (32) |

use super::{
    Blake3, Encoding, Segment, Sha256,
    manifest::{Error, FORMAT_VERSION, MAX_SEGMENTS, Manifest, SECTOR_SIZE},
};

const MAGIC: &[u8; 16] = b"underlay-image\0\0";
const HEADER_LENGTH: usize = 16 + 4 + 4 + 32 + 8 + 8;
const SEGMENT_LENGTH: usize = 1 + 8 + 8 + 32;

impl Manifest {
    /// The canonical bytes, over which the digest is taken; the file's header gives their layout.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LENGTH + self.segments().len() * SEGMENT_LENGTH);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&(SECTOR_SIZE as u32).to_le_bytes());
        out.extend_from_slice(self.source_sha256().as_bytes());
        out.extend_from_slice(&self.virtual_size().to_le_bytes());
        out.extend_from_slice(&(self.segments().len() as u64).to_le_bytes());
        for segment in self.segments() {
            out.push(code(segment.encoding));
            out.extend_from_slice(&segment.length.to_le_bytes());
            out.extend_from_slice(&segment.stored_length.to_le_bytes());
            out.extend_from_slice(segment.blake3.as_bytes());
        }
        out
    }

    /// Reads canonical bytes, after checking that they hash to `digest`. Nothing is parsed, and no memory is taken,
    /// before that holds.
    pub fn decode(bytes: &[u8], digest: &Blake3) -> Result<Self, Error> {
        let found = Blake3::of(bytes);
        if found != *digest {
            return Err(Error::Digest { expected: *digest, found });
        }
        let mut reader = Reader(bytes);
        if reader.take::<16>()? != *MAGIC {
            return Err(Error::ReadCanonical("it does not begin as a manifest does"));
        }
        let version = reader.u32()?;
        if version != FORMAT_VERSION {
            return Err(Error::Version(version));
        }
        let sector_size = u64::from(reader.u32()?);
        if sector_size != SECTOR_SIZE {
            return Err(Error::SectorSize(sector_size));
        }
        let source = Sha256::from_bytes(reader.take()?);
        let virtual_size = reader.u64()?;
        let segments = reader.segments()?;
        Manifest::new(source, virtual_size, segments)
    }
}

fn code(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Hole => 0,
        Encoding::Raw => 1,
        Encoding::Zstd => 2,
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::ReadCanonical("it ends early"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.take().map(u64::from_le_bytes)
    }

    fn encoding(&mut self) -> Result<Encoding, Error> {
        let [code] = self.take()?;
        match code {
            0 => Ok(Encoding::Hole),
            1 => Ok(Encoding::Raw),
            2 => Ok(Encoding::Zstd),
            _ => Err(Error::ReadCanonical("a segment has an encoding this program does not know")),
        }
    }

    fn segments(&mut self) -> Result<Vec<Segment>, Error> {
        let wanted = self.u64()?;
        let count = usize::try_from(wanted)
            .ok()
            .filter(|count| *count <= MAX_SEGMENTS)
            .ok_or(Error::TooManySegments(wanted))?;
        if self.0.len() != count * SEGMENT_LENGTH {
            return Err(Error::ReadCanonical("its length does not fit its number of segments"));
        }
        let mut segments = Vec::with_capacity(count);
        let (mut offset, mut stored_offset) = (0_u64, 0_u64);
        for _ in 0..count {
            let encoding = self.encoding()?;
            let (length, stored_length) = (self.u64()?, self.u64()?);
            let blake3 = Blake3::from_bytes(self.take()?);
            segments.push(Segment { offset, length, encoding, stored_offset, stored_length, blake3 });
            let overflow = Error::ReadCanonical("its segments end past the largest number");
            (offset, stored_offset) =
                offset.checked_add(length).zip(stored_offset.checked_add(stored_length)).ok_or(overflow)?;
        }
        Ok(segments)
    }
}
