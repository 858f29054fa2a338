//! A boot endpoint in memory that can be told to cut, to lie and to be away.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Body, Error, Source};

/// What goes wrong with the next openings, one after the other; then all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection.
    Away,
    /// The connection breaks after so many bytes.
    Cut(u64),
    /// The answer ends after so many bytes as if that were all.
    Short(u64),
    /// The bit at this place of the blob is wrong, if it is in what was asked for.
    Flip(u64),
}

/// Blobs, and what goes wrong.
#[derive(Debug, Default)]
pub struct Fake {
    blobs: BTreeMap<String, Bytes>,
    faults: Mutex<Vec<Fault>>,
    opened: Mutex<Vec<(String, u64)>>,
}

impl Fake {
    /// Serves these blobs.
    pub fn new<const N: usize>(blobs: [(&str, Vec<u8>); N]) -> Self {
        let blobs = blobs.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.into())).collect();
        Self { blobs, ..Self::default() }
    }

    /// The openings of `/data` go wrong like this, the first one first.
    pub fn failing(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        let mut faults: Vec<Fault> = faults.into_iter().collect();
        faults.reverse();
        Self { faults: Mutex::new(faults), ..self }
    }

    /// Path and first byte of everything that was opened.
    pub fn opened(&self) -> Vec<(String, u64)> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Source for Fake {
    async fn open(&self, path: &str, range: Range<u64>) -> Result<Box<dyn Body>, Error> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_owned(), range.start));
        let missing = || Error::Status { path: path.to_owned(), status: 404 };
        let blob = self.blobs.get(path).ok_or_else(missing)?;
        let begin = range.start as usize;
        let end = (range.end as usize).min(blob.len());
        let mut bytes = blob.get(begin..end).ok_or_else(missing)?.to_vec();
        let fault = match path {
            "/data" => self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop(),
            _ => None,
        };
        let mut breaks = false;
        match fault {
            Some(Fault::Away) => return Err(lost(path)),
            Some(Fault::Cut(at)) => {
                breaks = true;
                bytes.truncate(at as usize);
            }
            Some(Fault::Short(at)) => bytes.truncate(at as usize),
            Some(Fault::Flip(at)) => {
                if let Some(byte) = at.checked_sub(range.start).and_then(|at| bytes.get_mut(at as usize)) {
                    *byte ^= 4;
                }
            }
            None => {}
        }
        Ok(Box::new(Chunks { path: path.to_owned(), bytes: bytes.into(), breaks }))
    }
}

struct Chunks {
    path: String,
    bytes: Bytes,
    breaks: bool,
}

#[async_trait]
impl Body for Chunks {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let length = self.bytes.len().min(60_001);
        match length {
            0 if self.breaks => Err(lost(&self.path)),
            0 => Ok(None),
            _ => Ok(Some(self.bytes.split_to(length))),
        }
    }
}

fn lost(path: &str) -> Error {
    Error::Lost { path: path.to_owned(), source: "a scripted fault".into() }
}
