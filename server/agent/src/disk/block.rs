//! A block device, or a regular file in its place, written past the page cache.
//!
//! Two descriptors: one with O_DIRECT, for large aligned writes, and a buffered one for reads and for file systems that
//! have no O_DIRECT (then every write takes it). A block device is opened O_EXCL, so one that is mounted or in use by
//! device mapper is refused by the kernel.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FallocateFlags, OFlags, fallocate, fdatasync};

use super::Disk;
use crate::deploy::buffer::{ALIGNMENT, Buffer};

/// The most that is discarded in one call; a call cannot be interrupted.
const DISCARD: u64 = 1 << 30;
/// The piece in which a range is read, and written where it is not zero, if the disk cannot discard.
const PIECE: usize = 1 << 20;

/// An open disk.
#[derive(Debug)]
pub struct Block {
    buffered: File,
    direct: Option<File>,
    size: u64,
}

impl Block {
    /// Opens a device or file for reading and writing.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_device = path.metadata()?.file_type().is_block_device();
        let open = |flags: OFlags| {
            let flags = if is_device { flags | OFlags::EXCL } else { flags };
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(i32::try_from(flags.bits()).map_err(io::Error::other)?)
                .open(path)
        };
        let mut buffered = open(OFlags::empty())?;
        let size = buffered.seek(SeekFrom::End(0))?;
        // A second O_EXCL open of one device by one holder fails; duplicate the claim without it.
        let direct = OpenOptions::new()
            .write(true)
            .custom_flags(i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?)
            .open(path)
            .ok();
        Ok(Self { buffered, direct, size })
    }
}

fn is_aligned(offset: u64, bytes: &[u8]) -> bool {
    offset.is_multiple_of(512) && bytes.len().is_multiple_of(512) && bytes.as_ptr().addr().is_multiple_of(512)
}

impl Disk for Block {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.buffered.read_exact_at(into, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(direct) = self.direct.as_ref().filter(|_| is_aligned(offset, bytes)) {
            match direct.write_all_at(bytes, offset) {
                // A file system may demand a coarser alignment than a sector.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                done => return done,
            }
        }
        self.buffered.write_all_at(bytes, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<u64> {
        let mut written = 0;
        let (mut at, end) = (offset, offset.saturating_add(length));
        while at < end {
            let piece = DISCARD.min(end - at);
            let discard = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            if fallocate(&self.buffered, discard, at, piece).is_err() {
                written += self.zero_by_hand(at, piece)?;
            }
            at += piece;
        }
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fdatasync(&self.buffered)?)
    }
}

impl Block {
    /// For commands to the device that take a descriptor which may write.
    pub fn writer(&self) -> io::Result<File> {
        self.buffered.try_clone()
    }

    /// Reads, and writes zeros only where something else is.
    fn zero_by_hand(&self, offset: u64, length: u64) -> io::Result<u64> {
        let mut found = Buffer::new(PIECE);
        let zeros = Buffer::new(PIECE);
        let mut written = 0;
        let (mut at, end) = (offset, offset.saturating_add(length));
        while at < end {
            let piece = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            self.read(at, found.head_mut(piece))?;
            if found.head(piece) != zeros.head(piece) {
                self.write(at, zeros.head(piece))?;
                written += piece as u64;
            }
            at += piece as u64;
        }
        Ok(written)
    }
}

const _: () = assert!(ALIGNMENT.is_multiple_of(512));

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(size: usize) -> (tempfile::NamedTempFile, Block) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![0xa5; size]).unwrap();
        let disk = Block::open(file.path()).unwrap();
        (file, disk)
    }

    #[test]
    fn aligned_and_odd_buffers_are_written_where_they_belong() {
        let (file, disk) = filled(1 << 20);
        let mut buffer = Buffer::new(8192);
        buffer.head_mut(8192).fill(1);
        disk.write(4096, buffer.head(8192)).unwrap();
        disk.write(65536, &[2; 512][..]).unwrap();
        disk.sync().unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(bytes.len(), 1 << 20);
        assert!(bytes[4096..12288].iter().all(|b| *b == 1));
        assert!(bytes[65536..66048].iter().all(|b| *b == 2));
        assert_eq!((bytes[4095], bytes[12288], bytes[65535], bytes[66048]), (0xa5, 0xa5, 0xa5, 0xa5));
    }

    #[test]
    fn a_zeroed_range_reads_as_zeros_and_nothing_else_does() {
        for by_hand in [false, true] {
            let (file, disk) = filled(4 << 20);
            let (offset, length) = (512, (3 << 20) + 512);
            let zeroed = if by_hand { disk.zero_by_hand(offset, length) } else { disk.zero(offset, length) };
            zeroed.unwrap();
            if by_hand {
                assert_eq!(
                    disk.zero_by_hand(offset, length).unwrap(),
                    0,
                    "what is zero is not written again"
                );
            }
            let bytes = std::fs::read(file.path()).unwrap();
            let end = (offset + length) as usize;
            assert!(bytes[512..end].iter().all(|b| *b == 0));
            assert!(bytes[..512].iter().chain(&bytes[end..]).all(|b| *b == 0xa5));
        }
    }
}
