//! Walks the disk from its first byte to its last, through the L1 and L2 tables.

use std::io::{Read, Seek, SeekFrom};

use super::{
    Error,
    cluster::{COPIED, OFFSET_MASK, Place, decompress, place},
    header::{self, Header},
};

/// The next part of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// So many zeros.
    Zeros(u64),
    /// These bytes.
    Data(&'a [u8]),
}

/// An image whose header and L1 table have been read and checked.
pub struct Reader<R> {
    file: R,
    length: u64,
    header: Header,
    l1: Vec<u64>,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens the image in `file`; a disk of more than `limit` bytes is refused.
    pub fn open(mut file: R, limit: u64) -> Result<Self, Error> {
        let length = file.seek(SeekFrom::End(0)).map_err(|source| Error::Read { offset: 0, source })?;
        let mut bytes = vec![0; length.min(header::LENGTH as u64) as usize];
        read_at(&mut file, 0, &mut bytes)?;
        let header = Header::parse(&bytes, limit)?;
        let mut reader = Self { file, length, header, l1: Vec::new() };
        // At most 32 MiB, as the header checked, and no more than the file holds.
        let table = reader.bounded("L1 table", 0, header.l1_offset, header.l1_entries * 8)?;
        reader.l1 = table.chunks_exact(8).filter_map(entry).collect();
        Ok(reader)
    }

    /// The disk's size in bytes.
    pub fn virtual_size(&self) -> u64 {
        self.header.size
    }

    /// Gives every part of the disk to `sink`, in order, until it has had all of [`Reader::virtual_size`] or fails.
    pub fn read<E: From<Error>>(
        mut self,
        mut sink: impl FnMut(Extent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let covered = 1_u64 << (2 * self.header.cluster_bits - 3);
        let l1 = std::mem::take(&mut self.l1);
        for (guest, entry) in (0..self.header.size).step_by(covered as usize).zip(&l1) {
            let end = self.header.size.min(guest + covered);
            let offset = entry & OFFSET_MASK;
            if entry & !(OFFSET_MASK | COPIED) != 0 || !offset.is_multiple_of(self.cluster_size()) {
                return Err(Error::Entry { what: "L1", guest, entry: *entry }.into());
            }
            if offset == 0 {
                sink(Extent::Zeros(end - guest))?;
            } else {
                self.read_l2(offset, guest, end, &mut sink)?;
            }
        }
        Ok(())
    }

    /// The part of the disk from `guest` to `end`, whose L2 table lies at `offset`.
    fn read_l2<E: From<Error>>(
        &mut self,
        offset: u64,
        guest: u64,
        end: u64,
        sink: &mut impl FnMut(Extent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let size = self.cluster_size();
        let table = self.bounded("L2 table", guest, offset, size)?;
        let mut bytes = vec![0; size as usize];
        let clusters = (guest..end).step_by(size as usize);
        for (guest, entry) in clusters.zip(table.chunks_exact(8).filter_map(entry)) {
            let wanted = size.min(end - guest);
            let found = place(&self.header, entry).ok_or(Error::Entry { what: "L2", guest, entry })?;
            match found {
                Place::Zeros => sink(Extent::Zeros(wanted))?,
                Place::Plain(offset) => {
                    // A file may end with the disk, in the middle of its last cluster.
                    bytes = self.bounded("cluster", guest, offset, wanted)?;
                    sink(Extent::Data(&bytes))?;
                }
                Place::Compressed(offset, most) => {
                    // The length is given in sectors, and the file may end before the last one does.
                    let stored = most.min(self.length.saturating_sub(offset).max(1));
                    let stored = self.bounded("cluster", guest, offset, stored)?;
                    bytes.resize(size as usize, 0);
                    decompress(self.header.compression, &stored, &mut bytes)
                        .map_err(|source| Error::Compressed { guest, source })?;
                    sink(Extent::Data(bytes.get(..wanted as usize).unwrap_or(&bytes)))?;
                }
            }
        }
        Ok(())
    }

    fn cluster_size(&self) -> u64 {
        1 << self.header.cluster_bits
    }

    /// Reads `size` bytes at `offset`, after checking that they lie in the file.
    fn bounded(&mut self, what: &'static str, guest: u64, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
        if offset.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(Error::OutOfBounds { what, guest, offset, length: self.length });
        }
        let mut bytes = vec![0; size as usize];
        read_at(&mut self.file, offset, &mut bytes)?;
        Ok(bytes)
    }
}

fn entry(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn read_at(file: &mut (impl Read + Seek), offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(bytes))
        .map_err(|source| Error::Read { offset, source })
}
