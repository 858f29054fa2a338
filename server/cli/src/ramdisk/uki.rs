//! A unified kernel image: kernel, initramfs and kernel line in one EFI program, which UEFI HTTP Boot starts without a
//! loader in between (UAPI.5 "Unified Kernel Image"). systemd's stub is the program; the parts are sections behind its own
//! (PE format, "Section Table").
//!
//! The line ends in the same placeholder as that of a boot image, for the server to fill in for each host. The stub comes
//! out of a Debian package and is read by this code alone; no program is run.

use std::path::{Path, PathBuf};

use super::{deb, iso};

/// What every kernel is given: consoles, and a restart where it dies.
const KERNEL: &str = "console=tty0 console=ttyS0,115200 quiet panic=30";
/// The stub for x86-64 in `systemd-boot-efi`.
const STUB: &str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// Where the parts are in memory: far behind the stub's own sections, whose addresses are below.
const FIRST: u32 = 0x0200_0000;
/// Read-only initialised data.
const DATA: u32 = 0x4000_0040;
/// The length of a section's header.
const SECTION: usize = 40;

/// No image was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package cannot be read.
    #[error("the package with the stub cannot be used")]
    Package(#[source] deb::Error),
    /// It has no stub.
    #[error("{} has no {STUB}; is it systemd-boot-efi?", .0.display())]
    NoStub(PathBuf),
    /// The stub is not what it should be.
    #[error("the stub is no PE32+ program that can take more sections: {0}")]
    Stub(&'static str),
}

/// Takes the stub out of a package.
pub(super) fn stub(package: &Path) -> Result<Vec<u8>, Error> {
    let mut found = None;
    deb::files(package, |path| path == STUB, |_, bytes| found = Some(bytes)).map_err(Error::Package)?;
    found.ok_or_else(|| Error::NoStub(package.to_owned()))
}

/// The image.
pub(super) fn make(stub: &[u8], release: &str, kernel: &[u8], initrd: &[u8]) -> Result<Vec<u8>, Error> {
    let line = format!("{KERNEL} {}\0", iso::placeholder());
    let system =
        format!("ID=underlay\nNAME=underlay\nPRETTY_NAME=\"underlay agent\"\nVERSION_ID={release}\n");
    let parts: [(&[u8; 8], &[u8]); 4] = [
        (b".osrel\0\0", system.as_bytes()),
        (b".cmdline", line.as_bytes()),
        (b".linux\0\0", kernel),
        (b".initrd\0", initrd),
    ];
    append(stub, &parts)
}

/// The program with these sections behind its own.
fn append(program: &[u8], parts: &[(&[u8; 8], &[u8])]) -> Result<Vec<u8>, Error> {
    let mut image = program.to_vec();
    let coff = usize::try_from(u32_at(&image, 0x3c)?).map_err(|_| Error::Stub("its header is nowhere"))? + 4;
    if !image.starts_with(b"MZ") || image.get(coff - 4..coff) != Some(b"PE\0\0") {
        return Err(Error::Stub("it has no PE header"));
    }
    let optional = coff + 20;
    let count = usize::from(u16_at(&image, coff + 2)?);
    let table = optional + usize::from(u16_at(&image, coff + 16)?);
    if u16_at(&image, optional)? != 0x20b {
        return Err(Error::Stub("it is not of 64 bits"));
    }
    let (alignment, in_file) = (u32_at(&image, optional + 32)?, u32_at(&image, optional + 36)?);
    let headers = u32_at(&image, optional + 60)?;
    if !alignment.is_power_of_two() || !in_file.is_power_of_two() {
        return Err(Error::Stub("its alignments are none"));
    }
    let mut next = FIRST.max(end_of_sections(&image, table, count)?).next_multiple_of(alignment);
    let room = usize::try_from(headers).unwrap_or(0).min(first_content(&image, table, count)?);
    if table + SECTION * (count + parts.len()) > room {
        return Err(Error::Stub("there is no room for more sections in its header"));
    }
    // What stands behind the last section is symbols for debuggers. Signers and firmware disagree about what of such a gap
    // they hash (sbsign 0.9.4, OVMF 2022.11), so there is none.
    image.truncate(end_of_content(&image, table, count)?);
    put(&mut image, coff + 8, &[0; 8])?;
    for (position, (name, content)) in parts.iter().enumerate() {
        let too_large = |_| Error::Stub("a part has more than 4 GiB");
        let length = u32::try_from(content.len()).map_err(too_large)?;
        pad(&mut image, in_file);
        let at = u32::try_from(image.len()).map_err(too_large)?;
        image.extend_from_slice(content);
        pad(&mut image, in_file);
        let raw = u32::try_from(image.len()).map_err(too_large)? - at;
        let header = table + SECTION * (count + position);
        put(&mut image, header, &name[..])?;
        for (offset, value) in
            [(8, length), (12, next), (16, raw), (20, at), (24, 0), (28, 0), (32, 0), (36, DATA)]
        {
            put(&mut image, header + offset, &value.to_le_bytes())?;
        }
        next = next.checked_add(length).ok_or(Error::Stub("the parts have more than 4 GiB"))?;
        next =
            next.checked_next_multiple_of(alignment).ok_or(Error::Stub("the parts have more than 4 GiB"))?;
    }
    let sections = u16::try_from(count + parts.len()).map_err(|_| Error::Stub("it has too many sections"))?;
    put(&mut image, coff + 2, &sections.to_le_bytes())?;
    put(&mut image, optional + 56, &next.to_le_bytes())?;
    // The checksum means nothing to firmware, and is not kept up.
    put(&mut image, optional + 64, &[0; 4])?;
    Ok(image)
}

/// Where in memory the last section ends.
fn end_of_sections(image: &[u8], table: usize, count: usize) -> Result<u32, Error> {
    let mut end = 0;
    for section in 0..count {
        let at = table + SECTION * section;
        end = end.max(u32_at(image, at + 12)?.saturating_add(u32_at(image, at + 8)?));
    }
    Ok(end)
}

/// Where in the file the last section ends.
fn end_of_content(image: &[u8], table: usize, count: usize) -> Result<usize, Error> {
    let mut end = 0;
    for section in 0..count {
        let at = table + SECTION * section;
        end = end.max(u32_at(image, at + 20)?.saturating_add(u32_at(image, at + 16)?));
    }
    let end = usize::try_from(end).ok().filter(|end| (table..=image.len()).contains(end));
    end.ok_or(Error::Stub("its sections lie beyond its end"))
}

/// Where in the file the first section begins.
fn first_content(image: &[u8], table: usize, count: usize) -> Result<usize, Error> {
    let mut first = image.len();
    for section in 0..count {
        let at = usize::try_from(u32_at(image, table + SECTION * section + 20)?).unwrap_or(0);
        if at > 0 {
            first = first.min(at);
        }
    }
    Ok(first)
}

fn pad(image: &mut Vec<u8>, alignment: u32) {
    let alignment = usize::try_from(alignment).unwrap_or(1);
    image.resize(image.len().next_multiple_of(alignment), 0);
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Error> {
    let place = image.get_mut(at..at + bytes.len()).ok_or(Error::Stub("it ends early"))?;
    place.copy_from_slice(bytes);
    Ok(())
}

fn u16_at(image: &[u8], at: usize) -> Result<u16, Error> {
    let bytes = image.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u16::from_le_bytes).ok_or(Error::Stub("it ends early"))
}

fn u32_at(image: &[u8], at: usize) -> Result<u32, Error> {
    let bytes = image.get(at..at.checked_add(4).ok_or(Error::Stub("it ends early"))?);
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_le_bytes).ok_or(Error::Stub("it ends early"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A program of one section, with room for `room` bytes of headers.
    fn program(room: u32) -> Vec<u8> {
        let mut image = vec![0; 0x600];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
        image[0x80..0x84].copy_from_slice(b"PE\0\0");
        image[0x86..0x88].copy_from_slice(&1_u16.to_le_bytes());
        image[0x94..0x96].copy_from_slice(&0xf0_u16.to_le_bytes());
        let optional = 0x98;
        image[optional..optional + 2].copy_from_slice(&0x20b_u16.to_le_bytes());
        for (offset, value) in [(32, 0x1000_u32), (36, 0x200), (60, room)] {
            image[optional + offset..optional + offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        let section = optional + 0xf0;
        for (offset, value) in [(8, 0x200_u32), (12, 0x1000), (16, 0x200), (20, 0x400)] {
            image[section + offset..section + offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        image
    }

    #[test]
    fn the_parts_are_sections_behind_the_programs_own() {
        let image = make(&program(0x400), "6.1", b"a kernel", &[7; 5000]).expect("it takes them");
        assert_eq!(u16_at(&image, 0x86).ok(), Some(5));
        let mut end = 0;
        for (position, expected) in [(3, &b"a kernel"[..]), (4, &[7; 5000])] {
            let header = 0x98 + 0xf0 + SECTION * position;
            let (length, address) =
                (u32_at(&image, header + 8).unwrap(), u32_at(&image, header + 12).unwrap());
            let at = u32_at(&image, header + 20).unwrap() as usize;
            assert_eq!(image[at..at + length as usize], *expected);
            assert!(address >= end.max(FIRST) && address % 0x1000 == 0, "{address:#x}");
            end = address + length;
        }
        assert!(u32_at(&image, 0x98 + 56).unwrap() >= end, "the image is as long as its sections");
        let text = String::from_utf8_lossy(&image);
        assert_eq!(text.matches(iso::MARKER).count(), 1);
    }

    #[test]
    fn nothing_is_between_the_sections_of_the_stub_and_the_parts() {
        let mut stub = program(0x400);
        stub[0x8c..0x94].copy_from_slice(&[0x11; 8]);
        stub.extend_from_slice(b"symbols for debuggers");
        let image = make(&stub, "6.1", b"a kernel", b"").expect("it takes them");
        assert_eq!(image, make(&program(0x400), "6.1", b"a kernel", b"").expect("it takes them"));
        assert_eq!(u32_at(&image, 0x98 + 0xf0 + SECTION + 20).ok(), Some(0x600));
    }

    #[test]
    fn a_header_without_room_is_refused() {
        assert!(
            matches!(make(&program(0x200), "6.1", b"", b""), Err(Error::Stub(why)) if why.contains("room"))
        );
    }

    proptest! {
        #[test]
        fn a_damaged_stub_is_an_error_and_no_more(at in 0_usize..0x600, bytes in prop::collection::vec(any::<u8>(), 1..9)) {
            let mut stub = program(0x400);
            for (offset, byte) in bytes.iter().enumerate() {
                if let Some(place) = stub.get_mut(at + offset) {
                    *place = *byte;
                }
            }
            let _ = make(&stub, "6.1", b"k", b"i");
        }

        #[test]
        fn noise_is_no_stub(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(make(&noise, "6.1", b"k", b"i").is_err());
        }
    }
}
