//! A host's kernel line over the placeholder of the base image. Invariant: nothing but the placeholder's bytes changes.

use super::LENGTH;

/// The line, and where it goes.
#[derive(Clone)]
pub(in crate::http) struct Overlay {
    at: u64,
    line: Vec<u8>,
}

impl Overlay {
    /// These words at that offset.
    ///
    /// # Errors
    /// In words, why they cannot be there; they themselves are not shown.
    pub(super) fn new(at: u64, words: &str) -> Result<Self, String> {
        // GRUB reads the line, and would make something else of other characters.
        let plain = |c: char| c.is_ascii_alphanumeric() || " .,:/=_[]-".contains(c);
        if !words.chars().all(plain) {
            return Err("the kernel line has characters that mean something to the boot loader".into());
        }
        if words.len() > LENGTH {
            return Err(format!("the kernel line has {} bytes, more than {LENGTH}", words.len()));
        }
        Ok(Self { at, line: format!("{words:<LENGTH$}").into_bytes() })
    }

    /// Nothing laid over anything.
    pub(in crate::http) fn none() -> Self {
        Self { at: 0, line: Vec::new() }
    }

    fn end(&self) -> u64 {
        self.at + self.line.len() as u64
    }

    /// The tag of the image with this line over the base image of that tag.
    pub(in crate::http) fn etag(&self, base: &str) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("underlay 2026 boot image");
        hasher.update(&self.at.to_le_bytes()).update(&self.line).update(base.as_bytes());
        format!("\"{}\"", hasher.finalize().to_hex())
    }

    /// Is some of the line among `length` bytes from `from` on?
    pub(super) fn touches(&self, from: u64, length: u64) -> bool {
        from < self.end() && from.saturating_add(length) > self.at
    }

    /// Lays it over a chunk that begins at `from`.
    pub(super) fn lay_over(&self, from: u64, chunk: &mut [u8]) {
        let (begin, end) = (self.at, self.end());
        let (first, last) = (from.max(begin), from.saturating_add(chunk.len() as u64).min(end));
        if first >= last {
            return;
        }
        let within = |offset: u64, of: u64| usize::try_from(offset - of).unwrap_or(usize::MAX);
        let source = self.line.get(within(first, begin)..within(last, begin));
        let target = chunk.get_mut(within(first, from)..within(last, from));
        if let (Some(source), Some(target)) = (source, target) {
            target.copy_from_slice(source);
        }
    }
}
