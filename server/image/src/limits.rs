//! The bounds of an import. Everything a source may claim about itself is held against them before memory is taken.

/// How much one import may read and make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that are read from a source.
    pub source: u64,
    /// The largest disk image, in bytes, that may come out of it, holes included. At most [`Limits::MAX_VIRTUAL_SIZE`]
    /// is honoured.
    pub virtual_size: u64,
}

impl Limits {
    /// The largest disk image a manifest of bounded length can describe.
    pub const MAX_VIRTUAL_SIZE: u64 = 2 << 40;
}

impl Default for Limits {
    /// 128 GiB to read, 1 TiB of disk.
    fn default() -> Self {
        Self { source: 128 << 30, virtual_size: 1 << 40 }
    }
}
