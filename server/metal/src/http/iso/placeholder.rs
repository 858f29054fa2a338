//! Where the kernel's line goes in a boot image: a run of bytes that `underlay ramdisk iso` put there and that is found by
//! its beginning. It must be whole and the only one, or the image is refused.

use std::io;

use std::os::unix::fs::FileExt;

/// How many bytes a line may have. The kernel takes 2047 (x86), and has more on its line.
pub const LENGTH: usize = 1024;
/// What the place begins with.
pub const MARKER: &str = "underlay.placeholder=7f3f2a1d5f0c4c54a9c3d1f6b8e02d47";

const BLOCK: usize = 1 << 20;

/// What an image that was not overlaid holds there.
pub fn placeholder() -> String {
    format!("{MARKER:_<LENGTH$}")
}

/// Where the place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It begins there.
    At(u64),
    /// Nowhere, or it is damaged.
    Missing,
    /// In more than one place.
    Several,
    /// The image cannot be read: why.
    Unreadable(String),
}

/// Something with bytes at offsets.
pub(super) trait Bytes {
    fn read_at(&self, block: &mut [u8], at: u64) -> io::Result<()>;
}

impl Bytes for std::fs::File {
    fn read_at(&self, block: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(block, at)
    }
}

/// Looks through an image of that size, a block at a time.
pub(super) fn find(image: &impl Bytes, size: u64) -> Place {
    search(image, size).unwrap_or_else(|error| Place::Unreadable(error.to_string()))
}

fn search(image: &impl Bytes, size: u64) -> io::Result<Place> {
    let marker = MARKER.as_bytes();
    let mut block = vec![0; BLOCK + marker.len() - 1];
    let (mut at, mut found) = (0, None);
    while at < size {
        // Blocks overlap by less than a marker, so that each is seen whole, and once.
        let length = usize::try_from((size - at).min(block.len() as u64)).map_err(io::Error::other)?;
        let Some(read) = block.get_mut(..length) else { break };
        image.read_at(read, at)?;
        let mut from = 0;
        while let Some(position) = position(read.get(from..).unwrap_or_default(), marker) {
            if found.replace(at + (from + position) as u64).is_some() {
                return Ok(Place::Several);
            }
            from += position + marker.len();
        }
        at += BLOCK as u64;
    }
    match found {
        Some(at) if is_whole(image, size, at)? => Ok(Place::At(at)),
        _ => Ok(Place::Missing),
    }
}

fn position(bytes: &[u8], marker: &[u8]) -> Option<usize> {
    let first = *marker.first()?;
    let mut from = 0;
    // Most bytes are none of it: the first one is looked for by itself.
    while let Some(next) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        if bytes.get(from + next..)?.starts_with(marker) {
            return Some(from + next);
        }
        from += next + 1;
    }
    None
}

fn is_whole(image: &impl Bytes, size: u64, at: u64) -> io::Result<bool> {
    if size - at < LENGTH as u64 {
        return Ok(false);
    }
    let mut bytes = vec![0; LENGTH];
    image.read_at(&mut bytes, at)?;
    Ok(bytes == placeholder().as_bytes())
}
