//! The file system of a CD (ECMA-119), as far as a boot loader needs it: a file by its path, and where its bytes are.
//!
//! Works on an image that is read in parts, as a BMC reads it. What comes in is bounded: no folder longer than
//! [`LONGEST`], no more folders than a path has parts.

use std::ops::Range;

/// Bytes of a logical sector.
const SECTOR: u64 = 2048;
/// The first volume descriptor.
const DESCRIPTOR: u64 = 16 * SECTOR;
/// Of a folder.
const LONGEST: u64 = 64 << 10;

/// The image is none, or does not have the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not ISO 9660.
    #[error("it is no image of a CD")]
    NoDisc,
    /// There is no such file.
    #[error("it has no {0}")]
    Missing(String),
    /// A folder is longer than any.
    #[error("a folder in it is longer than {LONGEST} bytes")]
    TooLong,
}

/// Where the next bytes are that are needed, or where the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search<'a> {
    /// Read these, then go on.
    Read(Range<u64>, Step<'a>),
    /// The file.
    Found(Range<u64>),
}

/// How far a search has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    path: &'a str,
    /// What is left of it; all of it where the descriptor is read.
    rest: Option<&'a str>,
}

/// Begin to look for a file, its path without a slash at the beginning.
pub fn find(path: &str) -> Search<'_> {
    Search::Read(DESCRIPTOR..DESCRIPTOR + SECTOR, Step { path, rest: None })
}

impl<'a> Step<'a> {
    /// Go on with the bytes that were asked for.
    ///
    /// # Errors
    /// What they are, or lack.
    pub fn with(self, bytes: &[u8]) -> Result<Search<'a>, Error> {
        let Some(rest) = self.rest else {
            let descriptor = bytes.get(..7).is_some_and(|head| head == b"\x01CD001\x01");
            let root =
                bytes.get(156..190).and_then(Record::read).filter(|_| descriptor).ok_or(Error::NoDisc)?;
            return folder(&root, Step { rest: Some(self.path), ..self });
        };
        let missing = || Error::Missing(self.path.chars().take(100).collect());
        let (name, rest) = rest.split_once('/').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        let record = records(bytes).find(|record| record.is_called(name)).ok_or_else(missing)?;
        match (rest, record.is_folder) {
            (Some(rest), true) => folder(&record, Step { rest: Some(rest), ..self }),
            (None, false) => Ok(Search::Found(record.extent())),
            _ => Err(missing()),
        }
    }
}

fn folder<'a>(record: &Record<'_>, step: Step<'a>) -> Result<Search<'a>, Error> {
    if u64::from(record.length) > LONGEST {
        return Err(Error::TooLong);
    }
    Ok(Search::Read(record.extent(), step))
}

/// A directory record (section 9.1).
struct Record<'a> {
    begin: u32,
    length: u32,
    is_folder: bool,
    name: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let name = bytes.get(33..33 + usize::from(*bytes.get(32)?))?;
        Some(Self { begin: number(2)?, length: number(10)?, is_folder: bytes.get(25)? & 2 != 0, name })
    }

    fn extent(&self) -> Range<u64> {
        let begin = u64::from(self.begin) * SECTOR;
        begin..begin + u64::from(self.length)
    }

    /// Names are in capitals, end in a version, and have a dot even where nothing follows it.
    fn is_called(&self, name: &str) -> bool {
        let own = self.name.split(|byte| *byte == b';').next().unwrap_or_default();
        own.strip_suffix(b".").unwrap_or(own).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The records of a folder. None crosses from one sector to another; the rest of a sector is zeros.
fn records(folder: &[u8]) -> impl Iterator<Item = Record<'_>> {
    folder.chunks(usize::try_from(SECTOR).unwrap_or(usize::MAX)).flat_map(|sector| {
        let mut rest = sector;
        std::iter::from_fn(move || {
            let length = usize::from(*rest.first().filter(|length| **length >= 34)?);
            let (record, after) = rest.split_at_checked(length)?;
            rest = after;
            Record::read(record)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &[u8], begin: u32, length: u32, flags: u8) -> Vec<u8> {
        let mut record = vec![0; (33 + name.len()).next_multiple_of(2)];
        record[0] = u8::try_from(record.len()).unwrap();
        record[2..6].copy_from_slice(&begin.to_le_bytes());
        record[10..14].copy_from_slice(&length.to_le_bytes());
        record[25] = flags;
        record[32] = u8::try_from(name.len()).unwrap();
        record[33..33 + name.len()].copy_from_slice(name);
        record
    }

    /// `BOOT/GRUB.CFG`, and much else in its root.
    fn image() -> Vec<u8> {
        let mut image = vec![0; 40 * 2048];
        let mut put =
            |sector: usize, bytes: &[u8]| image[sector * 2048..][..bytes.len()].copy_from_slice(bytes);
        put(16, b"\x01CD001\x01");
        put(17, b"\xffCD001\x01");
        let dots = [record(b"\0", 20, 4096, 2), record(b"\x01", 20, 4096, 2)].concat();
        let many: Vec<u8> =
            (0..40).flat_map(|n| record(format!("FILE{n:02}.;1").as_bytes(), 30, 5, 0)).collect();
        put(20, &[dots.clone(), many].concat());
        put(21, &[record(b"BOOT", 22, 2048, 2), record(b"VMLINUZ.;1", 31, 4096, 0)].concat());
        put(22, &[dots, record(b"GRUB.CFG;1", 33, 77, 0)].concat());
        image[16 * 2048 + 156..][..34].copy_from_slice(&record(b"\0", 20, 4096, 2));
        image
    }

    fn look(image: &[u8], path: &str) -> Result<Range<u64>, Error> {
        let mut search = find(path);
        for _ in 0..10 {
            search = match search {
                Search::Found(extent) => return Ok(extent),
                Search::Read(range, step) => {
                    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                    step.with(image.get(range).unwrap_or_default())?
                }
            };
        }
        panic!("it goes on for ever");
    }

    #[test]
    fn a_file_is_found_by_its_path_in_any_case() {
        let image = image();
        assert_eq!(look(&image, "boot/grub.cfg"), Ok(33 * 2048..33 * 2048 + 77));
        assert_eq!(look(&image, "vmlinuz"), Ok(31 * 2048..33 * 2048));
        assert_eq!(look(&image, "file07"), Ok(30 * 2048..30 * 2048 + 5));
        for path in ["initrd", "boot", "boot/", "", "vmlinuz/x", "boot/none"] {
            assert!(matches!(look(&image, path), Err(Error::Missing(_))), "{path}");
        }
        assert_eq!(look(&[7; 60_000], "boot"), Err(Error::NoDisc));
        assert_eq!(look(&[], "boot"), Err(Error::NoDisc));
    }

    #[test]
    fn a_spoilt_image_is_searched_to_an_end() {
        for round in 0..2000 {
            let mut image = image();
            for edit in 0..round % 40 {
                let throw = usize::try_from(crate::dice::throw(round, &[edit])).unwrap();
                // Where there is something to spoil.
                let at = [16, 20, 21, 22][throw % 4] * 2048 + (throw >> 8) % 300;
                image[at] = u8::try_from(throw >> 40 & 0xff).unwrap();
            }
            let _ = look(&image, "boot/grub.cfg");
        }
    }
}
