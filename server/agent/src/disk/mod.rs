//! A disk as the writer sees it: bytes at offsets. [`block`] is the real one (a block device, or a file that plays one).

use std::io;

pub mod block;
#[cfg(test)]
pub mod fake;

/// What is written to. All offsets and lengths are whole sectors; calls may come from several threads at once, never
/// for overlapping ranges.
pub trait Disk: Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Fills `into` from `offset`.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes a range read as zeros and returns how many bytes had to be written for that (discarding writes none).
    fn zero(&self, offset: u64, length: u64) -> io::Result<u64>;
    /// Returns when all that was written would survive a loss of power.
    fn sync(&self) -> io::Result<()>;
}
