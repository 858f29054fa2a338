//! A seed without its empty sectors: a file system of a mebibyte of which a few kilobytes are something, and which is
//! stored, read again and sent with every order.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const SECTOR: usize = 512;
const EMPTY: [u8; SECTOR] = [0; SECTOR];
/// No seed is longer, by far.
const LONGEST: usize = 64 << 20;

/// A file system image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    length: usize,
    runs: Vec<Run>,
}

/// Sectors that are not empty, and where they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// In bytes from the beginning of the image.
    pub begin: usize,
    /// What is there.
    pub bytes: Vec<u8>,
}

/// Why something is no seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is far too long.
    #[error("the bytes are longer than any seed")]
    TooLong,
    /// A run is not within it.
    #[error("a run lies outside of the bytes")]
    Outside,
}

impl Seed {
    /// Puts one together from its parts.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn of(length: usize, runs: Vec<Run>) -> Result<Self, Malformed> {
        if length > LONGEST {
            return Err(Malformed::TooLong);
        }
        let is_within = |run: &Run| run.begin.checked_add(run.bytes.len()).is_some_and(|end| end <= length);
        if runs.iter().all(is_within) { Ok(Self { length, runs }) } else { Err(Malformed::Outside) }
    }

    /// How long the image is.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What of it is not empty.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The whole image.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        for run in &self.runs {
            if let Some(place) = bytes.get_mut(run.begin..run.begin + run.bytes.len()) {
                place.copy_from_slice(&run.bytes);
            }
        }
        bytes
    }
}

impl From<&[u8]> for Seed {
    fn from(bytes: &[u8]) -> Self {
        let sectors = bytes.chunks(SECTOR).enumerate().map(|(number, sector)| (number * SECTOR, sector));
        Self { length: bytes.len(), runs: runs(sectors) }
    }
}

impl From<Sectors> for Seed {
    fn from(sectors: Sectors) -> Self {
        let held = sectors.held.iter().map(|(number, sector)| (number * SECTOR, sector.as_slice()));
        Self { length: sectors.length, runs: runs(held) }
    }
}

/// Those that are not empty, next to each other in one run.
fn runs<'a>(sectors: impl Iterator<Item = (usize, &'a [u8])>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (begin, sector) in sectors.filter(|(_, sector)| !is_empty(sector)) {
        match runs.last_mut().filter(|run| run.begin + run.bytes.len() == begin) {
            Some(run) => run.bytes.extend_from_slice(sector),
            None => runs.push(Run { begin, bytes: sector.to_vec() }),
        }
    }
    runs
}

fn is_empty(sector: &[u8]) -> bool {
    EMPTY.get(..sector.len()) == Some(sector)
}

/// A disk in memory to make a file system on; where nothing was written it takes no room.
#[derive(Clone, Debug, Default)]
pub struct Sectors {
    length: usize,
    at: usize,
    held: BTreeMap<usize, Box<[u8; SECTOR]>>,
}

impl Sectors {
    /// An empty one of so many bytes, which are whole sectors of 512.
    pub fn new(length: usize) -> Self {
        Self { length: length.next_multiple_of(SECTOR), ..Self::default() }
    }

    /// The sector in which the next byte lies, where in it, and how many of `wanted` bytes are there.
    fn next(&self, wanted: usize) -> (usize, usize, usize) {
        let within = self.at % SECTOR;
        let left = self.length.saturating_sub(self.at);
        (self.at / SECTOR, within, wanted.min(SECTOR - within).min(left))
    }
}

impl Read for Sectors {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (number, within, size) = self.next(into.len());
        let sector = self.held.get(&number).map_or(&EMPTY, |sector| sector);
        let found = sector.get(within..within + size).unwrap_or_default();
        into.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        self.at += size;
        Ok(size)
    }
}

impl Write for Sectors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (number, within, size) = self.next(bytes.len());
        let bytes = bytes.get(..size).unwrap_or_default();
        if !is_empty(bytes) || self.held.contains_key(&number) {
            let sector = self.held.entry(number).or_insert_with(|| Box::new(EMPTY));
            sector.iter_mut().skip(within).zip(bytes).for_each(|(to, from)| *to = *from);
        }
        self.at += size;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sectors {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (0, i64::try_from(at).unwrap_or(i64::MAX)),
            SeekFrom::Current(by) => (self.at, by),
            SeekFrom::End(by) => (self.length, by),
        };
        let at = i64::try_from(from).ok().and_then(|from| from.checked_add(by));
        self.at = at.and_then(|at| usize::try_from(at).ok()).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at as u64)
    }
}

impl From<Vec<u8>> for Seed {
    fn from(bytes: Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

/// As it is stored; the runs are base64.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    /// As releases before wrote it.
    Whole(String),
    /// Runs of sectors that are not empty, each with where it begins.
    Sparse { length: usize, runs: Vec<(usize, String)> },
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let runs = self.runs.iter().map(|run| (run.begin, STANDARD.encode(&run.bytes))).collect();
        Stored::Sparse { length: self.length, runs }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (length, runs) = match Stored::deserialize(deserializer)? {
            Stored::Whole(text) => return STANDARD.decode(text).map(Self::from).map_err(D::Error::custom),
            Stored::Sparse { length, runs } => (length, runs),
        };
        let runs = runs.into_iter().map(|(begin, run)| {
            STANDARD.decode(run).map(|bytes| Run { begin, bytes }).map_err(D::Error::custom)
        });
        Self::of(length, runs.collect::<Result<_, _>>()?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_stored_without_its_empty_sectors_and_read_back_whole() {
        let mut mostly_empty = vec![0; 1 << 20];
        for (at, byte) in [(0, 1), (511, 2), (512, 3), (70_000, 4), ((1 << 20) - 1, 5)] {
            mostly_empty[at] = byte;
        }
        for bytes in [mostly_empty, Vec::new(), vec![0; 700], vec![7; 1000]] {
            let seed = Seed::from(bytes.clone());
            let text = serde_json::to_string(&seed).unwrap();
            assert!(text.len() < 5000, "{} bytes", text.len());
            let read: Seed = serde_json::from_str(&text).unwrap();
            assert_eq!(read, seed);
            assert_eq!((read.len(), read.bytes()), (bytes.len(), bytes));
        }
    }

    #[test]
    fn what_an_earlier_release_stored_is_read_and_nonsense_is_not() {
        let read = |text: &str| serde_json::from_str::<Seed>(text);
        assert_eq!(read(r#""aGVsbG8=""#).unwrap().bytes(), b"hello");
        for bad in [
            r#"{"length":4,"runs":[[0,"aGVsbG8="]]}"#,
            r#"{"length":8,"runs":[[18446744073709551615,"aGVsbG8="]]}"#,
            r#"{"length":99999999999,"runs":[]}"#,
            r#""?""#,
            "7",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_to_a_disk_in_memory_is_found_there() {
        let (mut sectors, mut plain) = (Sectors::new(5000), io::Cursor::new(vec![0; 5120]));
        let mut dice = 7_u32;
        for _ in 0..500 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (at, length) = (u64::from(dice >> 8) % 6000, (dice >> 3) as usize % 1500);
            let bytes = vec![(dice >> 24) as u8 & 1; length];
            for disk in [&mut sectors as &mut dyn ReadWriteSeek, &mut plain] {
                disk.seek(SeekFrom::Start(at)).unwrap();
                if at + length as u64 <= 5120 {
                    disk.write_all(&bytes).unwrap();
                }
                disk.seek(SeekFrom::End(-(length as i64))).unwrap();
            }
            let (mut one, mut other) = (Vec::new(), Vec::new());
            sectors.read_to_end(&mut one).unwrap();
            plain.read_to_end(&mut other).unwrap();
            assert_eq!(one, other);
        }
        assert!(sectors.seek(SeekFrom::Current(-6000)).is_err());
        assert_eq!(Seed::from(sectors), Seed::from(plain.into_inner()));
    }

    trait ReadWriteSeek: Read + Write + Seek {}
    impl<T: Read + Write + Seek> ReadWriteSeek for T {}
}
