//! One fact, one small file.

use std::{fs::File, io::Read, path::Path, str::FromStr};

/// No attribute of interest is longer.
const MAX_LENGTH: u64 = 4096;

/// The attribute's bytes, if it can be read.
pub(super) fn bytes(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_LENGTH).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The attribute as text without the white space around it; `None` if it is empty.
pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    clean(&bytes(path)?)
}

/// The attribute as a number, a MAC address or the like.
pub(super) fn value<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    text(path)?.parse().ok()
}

/// Printable text without padding; `None` if nothing is left.
pub(super) fn clean(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
