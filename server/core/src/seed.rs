//! A seed without its empty sectors: a file system of a mebibyte of which a few kilobytes are something, and which is
//! stored, read again and sent with every order.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const SECTOR: usize = 512;
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
        let is_empty = |sector: &[u8]| sector.iter().all(|byte| *byte == 0);
        let mut runs: Vec<Run> = Vec::new();
        for (at, sector) in bytes.chunks(SECTOR).enumerate().filter(|(_, sector)| !is_empty(sector)) {
            match runs.last_mut().filter(|run| run.begin + run.bytes.len() == at * SECTOR) {
                Some(run) => run.bytes.extend_from_slice(sector),
                None => runs.push(Run { begin: at * SECTOR, bytes: sector.to_vec() }),
            }
        }
        Self { length: bytes.len(), runs }
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
}
