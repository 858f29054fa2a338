//! What a source is, told by its first bytes. Names, extensions and media types are never asked.
//!
//! A disk image has no magic of its own: `Raw` is what nothing else claims. So what would boot as nothing is refused by
//! name, and a qcow2 is never written to a disk as it is, whatever it was called.

use std::{
    fmt,
    io::{self, Read},
};

/// How many bytes from the beginning are looked at: enough for the ISO 9660 descriptor at 32 KiB.
pub const HEAD_LENGTH: usize = 33 << 10;

/// A compression that may be wrapped around an image, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, any number of members.
    Gzip,
    /// The .xz format, any number of streams.
    Xz,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Gzip => "gzip",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
        })
    }
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes of a disk.
    Raw,
    /// A QEMU copy-on-write image, version 2 or 3.
    Qcow2,
    /// One of the two, compressed.
    Compressed(Compression),
}

/// A format that is recognised and not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not a disk image")]
pub struct Refused(pub &'static str);

/// What is imported: magic, where it stands, what it means.
const ACCEPTED: [(&[u8], usize, Format); 4] = [
    (b"QFI\xfb", 0, Format::Qcow2),
    (b"\x1f\x8b", 0, Format::Compressed(Compression::Gzip)),
    (b"\xfd7zXZ\0", 0, Format::Compressed(Compression::Xz)),
    (b"\x28\xb5\x2f\xfd", 0, Format::Compressed(Compression::Zstd)),
];

/// What is refused: magic, where it stands, its name.
const REFUSED: [(&[u8], usize, &str); 27] = [
    (b"hsqs", 0, "a squashfs file system"),
    (b"CD001", 32769, "an ISO 9660 image"),
    (b"HdrS", 0x202, "a Linux kernel"),
    (b"ARMd", 56, "a Linux kernel for arm64"),
    (b"\x7fELF", 0, "an ELF program"),
    (b"070701", 0, "a cpio archive (initramfs)"),
    (b"070702", 0, "a cpio archive (initramfs)"),
    (b"ustar", 257, "a tar archive"),
    (b"BZh", 0, "a bzip2 file"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive"),
    (b"PK\x03\x04", 0, "a zip archive"),
    (b"\x04\x22\x4d\x18", 0, "an lz4 file"),
    (b"LZIP", 0, "an lzip file"),
    (b"KDMV", 0, "a VMDK image"),
    (b"COWD", 0, "a VMDK image"),
    (b"# Disk DescriptorFile", 0, "a VMDK descriptor"),
    (b"vhdxfile", 0, "a VHDX image"),
    (b"conectix", 0, "a VHD image"),
    (b"\x7f\x10\xda\xbe", 64, "a VDI image"),
    (b"QED\0", 0, "a QED image"),
    (b"WithoutFreeSpace", 0, "a Parallels image"),
    (b"WithouFreSpacExt", 0, "a Parallels image"),
    (b"<!DOCTYPE", 0, "a web page"),
    (b"<!doctype", 0, "a web page"),
    (b"<html", 0, "a web page"),
    (b"<?xml", 0, "an XML document"),
    (b"LUKS\xba\xbe", 0, "a LUKS volume"),
];

/// Says what begins with `head`, which holds the first [`HEAD_LENGTH`] bytes, or all there are.
pub fn detect(head: &[u8]) -> Result<Format, Refused> {
    let has = |magic: &[u8], at: usize| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((.., format)) = ACCEPTED.iter().find(|(magic, at, _)| has(magic, *at)) {
        return Ok(*format);
    }
    if is_skippable_zstd_frame(head) {
        return Ok(Format::Compressed(Compression::Zstd));
    }
    if let Some((.., name)) = REFUSED.iter().find(|(magic, at, _)| has(magic, *at)) {
        return Err(Refused(name));
    }
    if is_efi_program(head) {
        return Err(Refused("an EFI program (a kernel or a boot loader)"));
    }
    Ok(Format::Raw)
}

/// Reads the beginning of `reader`, to be shown to [`detect`] and then read again.
pub fn read_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_LENGTH);
    reader.take(HEAD_LENGTH as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// RFC 8878 section 3.1.2: sixteen magics, made by tools that put metadata first (pzstd, seekable zstd).
fn is_skippable_zstd_frame(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// A DOS stub that points to a PE header.
fn is_efi_program(head: &[u8]) -> bool {
    let pointer = head.get(0x3c..0x40).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let header = pointer.and_then(|at| usize::try_from(at).ok()).and_then(|at| head.get(at..));
    head.starts_with(b"MZ") && header.is_some_and(|rest| rest.starts_with(b"PE\0\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(magic: &[u8], at: usize) -> Vec<u8> {
        let mut head = vec![0; HEAD_LENGTH];
        head[at..at + magic.len()].copy_from_slice(magic);
        head
    }

    #[test]
    fn every_magic_in_the_tables_is_recognised() {
        for (magic, at, format) in ACCEPTED {
            assert_eq!(detect(&with(magic, at)), Ok(format));
        }
        for (magic, at, name) in REFUSED {
            assert_eq!(detect(&with(magic, at)), Err(Refused(name)));
        }
    }

    #[test]
    fn disks_are_raw_whatever_their_boot_code() {
        assert_eq!(detect(&with(b"\x55\xaa", 510)), Ok(Format::Raw));
        assert_eq!(detect(&with(b"EFI PART", 512)), Ok(Format::Raw));
        assert_eq!(detect(&[]), Ok(Format::Raw));
    }

    #[test]
    fn an_efi_program_is_refused_and_a_wild_pointer_is_harmless() {
        let mut head = with(b"MZ", 0);
        assert_eq!(detect(&head), Ok(Format::Raw));
        head[0x3c] = 0x80;
        head[0x80..0x84].copy_from_slice(b"PE\0\0");
        assert!(detect(&head).is_err());
        head[0x3c..0x40].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(detect(&head), Ok(Format::Raw));
    }
}
