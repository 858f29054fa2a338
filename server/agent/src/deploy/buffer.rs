//! Memory that may be handed to O_DIRECT: aligned, allocated once, passed round.

/// Alignment in bytes; a page, which every disk accepts.
pub const ALIGNMENT: usize = 4096;

/// Bytes that begin on a page.
#[derive(Debug)]
pub struct Buffer {
    storage: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl Buffer {
    /// Zeros. The pages are not resident until they are written to.
    pub fn new(capacity: usize) -> Self {
        let storage = vec![0; capacity + ALIGNMENT];
        let start = storage.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { storage, start, capacity }
    }

    /// How much fits.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The first `length` bytes; fewer if fewer fit.
    pub fn head(&self, length: usize) -> &[u8] {
        let end = self.start + length.min(self.capacity);
        self.storage.get(self.start..end).unwrap_or_default()
    }

    /// The first `length` bytes; fewer if fewer fit.
    pub fn head_mut(&mut self, length: usize) -> &mut [u8] {
        let end = self.start + length.min(self.capacity);
        self.storage.get_mut(self.start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_on_a_page_and_ends_where_it_must() {
        for capacity in [0, 1, 512, 4 << 20] {
            let buffer = Buffer::new(capacity);
            assert!(buffer.head(1).as_ptr().addr().is_multiple_of(ALIGNMENT) || capacity == 0);
            assert_eq!(buffer.head(usize::MAX).len(), capacity);
        }
    }
}
