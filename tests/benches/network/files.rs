//! What is served: the same files for ours and for the peers.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;
use tempfile::TempDir;

/// The name of the loader of 1 MiB.
pub const LOADER: &str = "snponly.efi";
pub const LOADER_SIZE: u64 = 1 << 20;
/// The name of 64 MiB that are fetched over TFTP.
pub const LARGE_LOADER: &str = "ipxe.efi";
pub const LARGE_LOADER_SIZE: u64 = 64 << 20;
/// Paths over HTTP, below the directory of the ramdisk.
pub const SMALL: &str = "vmlinuz";
pub const LARGE: &str = "initrd";
const LARGE_SIZE: usize = 256 << 20;

/// Directories with what is served.
pub struct Files {
    root: TempDir,
    pub loaders: PathBuf,
    pub ramdisk: PathBuf,
}

impl Files {
    /// Writes them.
    ///
    /// # Errors
    /// The disk is full.
    pub fn new() -> Result<Self> {
        let root = TempDir::with_prefix("underlay-bench-")?;
        let loaders = root.path().join("loaders");
        let ramdisk = root.path().join("v1/ramdisk");
        for directory in [&loaders, &ramdisk] {
            fs::create_dir_all(directory)?;
        }
        fill(&loaders.join(LOADER), usize::try_from(LOADER_SIZE)?)?;
        fill(&loaders.join(LARGE_LOADER), usize::try_from(LARGE_LOADER_SIZE)?)?;
        fill(&ramdisk.join(SMALL), 4096)?;
        fill(&ramdisk.join(LARGE), LARGE_SIZE)?;
        Ok(Self { root, loaders, ramdisk })
    }

    /// Below which HTTP paths lie.
    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

/// Writes bytes that differ from one place to the next.
fn fill(path: &Path, size: usize) -> Result<()> {
    let mut file = File::create(path)?;
    let mut number = 0_u64;
    let mut left = size;
    while left > 0 {
        let block: Vec<u8> = (0..8192)
            .flat_map(|_| {
                number =
                    number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                number.to_le_bytes()
            })
            .take(left)
            .collect();
        file.write_all(&block)?;
        left -= block.len();
    }
    Ok(())
}
