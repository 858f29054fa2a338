//! The two ends of a disk, a mebibyte each, held in memory while partition tables are changed.
//!
//! They can be read and written as one large file in which everything between them is out of bounds, which is what keeps
//! a malformed table from reaching a tenant's data. The tail goes to the disk before the head: the backup table is
//! there before the primary one points to it.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::{deploy::buffer::Buffer, disk::Disk};

/// Length of each end.
const END: usize = 1 << 20;

/// Both ends and the size of the whole.
#[derive(Debug)]
pub struct Ends {
    head: Buffer,
    tail: Buffer,
    size: u64,
    at: u64,
}

impl Ends {
    fn new(size: u64) -> Self {
        Self { head: Buffer::new(END), tail: Buffer::new(END), size, at: 0 }
    }

    /// The ends a disk of `size` bytes will have once an image that begins with `head` is on it.
    pub fn planned(head: &[u8], size: u64) -> Self {
        let mut ends = Self::new(size);
        let length = head.len().min(END);
        ends.head.head_mut(length).copy_from_slice(head.get(..length).unwrap_or_default());
        ends
    }

    /// The ends a disk has.
    pub fn read(disk: &dyn Disk) -> io::Result<Self> {
        let mut ends = Self::new(disk.size());
        if ends.size < 2 * END as u64 {
            return Err(io::Error::other("the disk is smaller than two mebibytes"));
        }
        disk.read(0, ends.head.head_mut(END))?;
        disk.read(ends.tail_offset(), ends.tail.head_mut(END))?;
        Ok(ends)
    }

    /// Writes both ends back and returns how many bytes that were.
    pub fn write(&self, disk: &dyn Disk) -> io::Result<u64> {
        disk.write(self.tail_offset(), self.tail.head(END))?;
        disk.sync()?;
        disk.write(0, self.head.head(END))?;
        Ok(2 * END as u64)
    }

    /// Zeros what lies behind the image's end: no older system's table is left to be found.
    pub fn forget_tail(&mut self, image_end: u64) {
        let keep = usize::try_from(image_end.saturating_sub(self.tail_offset())).unwrap_or(END).min(END);
        self.tail.head_mut(END).get_mut(keep..).unwrap_or_default().fill(0);
    }

    /// Size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first `length` bytes.
    pub fn head(&self, length: usize) -> &[u8] {
        self.head.head(length)
    }

    /// The first `length` bytes, to be changed.
    pub fn head_mut(&mut self, length: usize) -> &mut [u8] {
        self.head.head_mut(length)
    }

    fn tail_offset(&self) -> u64 {
        self.size.saturating_sub(END as u64)
    }

    /// The bytes from the current position to the end of its end, at most `wanted`.
    fn window(&mut self, wanted: usize) -> io::Result<&mut [u8]> {
        let (buffer, at) = if self.at < END as u64 {
            (&mut self.head, self.at)
        } else if self.at >= self.tail_offset() {
            (&mut self.tail, self.at - self.size.saturating_sub(END as u64))
        } else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the partition table points into the disk's middle",
            ));
        };
        let at = usize::try_from(at).unwrap_or(END).min(END);
        let end = at.saturating_add(wanted).min(END);
        self.at += (end - at) as u64;
        Ok(buffer.head_mut(END).get_mut(at..end).unwrap_or_default())
    }
}

impl Read for Ends {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let window = self.window(into.len())?;
        let length = window.len().min(into.len());
        into.iter_mut().zip(window).for_each(|(to, from)| *to = *from);
        Ok(length)
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let window = self.window(bytes.len())?;
        let length = window.len().min(bytes.len());
        window.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Ends {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.filter(|at| *at <= self.size).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
