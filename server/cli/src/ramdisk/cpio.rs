//! The initramfs as the kernel reads it: cpio in its newc form (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Owners are root, times are zero and inode numbers count up, so the same files give the same bytes.

use std::io::{self, Write};

/// Writes entries in the order in which they are added; a folder must come before what is in it.
#[derive(Debug)]
pub(super) struct Writer<W> {
    out: W,
    entries: u32,
}

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, entries: 0 }
    }

    /// A folder.
    pub(super) fn folder(&mut self, path: &str) -> io::Result<()> {
        self.entry(path, FOLDER, (0, 0), &[])
    }

    /// A regular file with these permission bits.
    pub(super) fn file(&mut self, path: &str, permissions: u32, bytes: &[u8]) -> io::Result<()> {
        self.entry(path, FILE | permissions, (0, 0), bytes)
    }

    /// A character device.
    pub(super) fn device(&mut self, path: &str, permissions: u32, number: (u32, u32)) -> io::Result<()> {
        self.entry(path, CHARACTER_DEVICE | permissions, number, &[])
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), bytes: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let links = 1;
        let (owner, group, time, checksum) = (0, 0, 0, 0);
        let name = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
        let (major, minor) = (0, 0);
        write!(self.out, "070701")?;
        for field in [
            self.entries,
            mode,
            owner,
            group,
            links,
            time,
            size,
            major,
            minor,
            device.0,
            device.1,
            name,
            checksum,
        ] {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(path.as_bytes())?;
        // Header and name together, then the bytes, each end on four bytes; the name ends with a zero at least.
        let header = 110 + path.len();
        self.out.write_all(zeros((header + 1).next_multiple_of(4) - header))?;
        self.out.write_all(bytes)?;
        self.out.write_all(zeros(bytes.len().next_multiple_of(4) - bytes.len()))
    }
}

fn zeros(count: usize) -> &'static [u8] {
    const ZEROS: [u8; 4] = [0; 4];
    ZEROS.get(..count).unwrap_or(&ZEROS)
}
