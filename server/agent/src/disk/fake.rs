//! A disk in memory that can be told to fail, and that remembers what was asked of it.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use super::Disk;

/// Bytes, and what goes wrong.
#[derive(Debug, Default)]
pub struct Fake {
    bytes: Mutex<Vec<u8>>,
    writes: Mutex<Vec<(u64, usize)>>,
    bad_byte: Option<u64>,
}

impl Fake {
    /// A disk of `size` bytes full of something that is not zero.
    pub fn new(size: usize) -> Self {
        Self { bytes: Mutex::new(vec![0xa5; size]), ..Self::default() }
    }

    /// The same, on which every write that touches the byte at `offset` fails.
    pub fn failing_at(self, offset: u64) -> Self {
        Self { bad_byte: Some(offset), ..self }
    }

    /// What it reads like.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Offset and length of every write and every zeroing, in the order of their coming.
    pub fn writes(&self) -> Vec<(u64, usize)> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, offset: u64, length: usize, with: impl FnOnce(&mut [u8])) -> io::Result<()> {
        let end = offset + length as u64;
        if self.bad_byte.is_some_and(|bad| (offset..end).contains(&bad)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let range = bytes.get_mut(offset as usize..end as usize);
        with(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).push((offset, length));
        Ok(())
    }
}

impl Disk for Fake {
    fn size(&self) -> u64 {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset as usize + into.len();
        into.copy_from_slice(bytes.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(offset, bytes.len(), |range| range.copy_from_slice(bytes))
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<u64> {
        self.change(offset, length as usize, |range| range.fill(0))?;
        Ok(0)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
