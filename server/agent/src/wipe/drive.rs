//! What a disk can be told: bytes at offsets, and to erase itself.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use rustix::fs::{Advice, OFlags, fadvise};
use underlay_core::cleaning::Method;

use super::{ata, nvme};
use crate::{
    deploy::buffer::{ALIGNMENT, Buffer},
    disk::{Disk, block::Block},
    sys,
};

/// The most that is discarded in one call.
const PIECE: u64 = 1 << 30;

/// A method that the disk does not have, or that may not be used: and why.
pub type PassedOver = (Method, String);

/// A disk that is to be wiped.
pub trait Drive: Send + Sync {
    /// As bytes at offsets.
    fn disk(&self) -> &dyn Disk;
    /// Fills `into` from the medium itself, not from what the kernel remembers of it.
    fn read_medium(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// The methods of its firmware, the most thorough first; and those it does not have.
    fn methods(&self) -> (Vec<Method>, Vec<PassedOver>);
    /// Has it erase itself by one of these; returns when that is done.
    ///
    /// # Errors
    /// In words.
    fn erase(&self, method: Method) -> Result<(), String>;
    /// Tells it that it may forget a range; what becomes of that is its own business.
    fn discard(&self, offset: u64, length: u64);
}

/// A disk without any command of its own, such as a virtual one.
pub struct Plain(pub Arc<dyn Disk>);

impl Drive for Plain {
    fn disk(&self) -> &dyn Disk {
        &*self.0
    }

    fn read_medium(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, into)
    }

    fn methods(&self) -> (Vec<Method>, Vec<PassedOver>) {
        (Vec::new(), Vec::new())
    }

    fn erase(&self, method: Method) -> Result<(), String> {
        Err(format!("it has no {}", method.word()))
    }

    fn discard(&self, offset: u64, length: u64) {
        let _ = self.0.zero(offset, length);
    }
}

/// A block device.
pub struct Device {
    block: Block,
    /// Past the page cache, where the device can be read so.
    medium: File,
    commands: Commands,
}

/// How it is spoken to.
enum Commands {
    Nvme(nvme::Abilities),
    Ata(ata::Abilities),
    /// Neither: it may still take a secure discard, as eMMC does.
    Other,
}

impl Device {
    /// Opens it, and asks its firmware what it can.
    ///
    /// # Errors
    /// It cannot be opened, as when it is in use.
    pub fn open(path: &Path) -> io::Result<Self> {
        let block = Block::open(path)?;
        let flags = |flags: OFlags| i32::try_from(flags.bits()).map_err(io::Error::other);
        let direct = OpenOptions::new().read(true).custom_flags(flags(OFlags::DIRECT)?).open(path);
        let medium = match direct {
            Ok(file) => file,
            Err(_) => File::open(path)?,
        };
        let is_device = path.metadata()?.file_type().is_block_device();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let commands = match name {
            _ if !is_device => Commands::Other,
            name if name.starts_with("nvme") => match nvme::Abilities::read(&medium) {
                Ok(abilities) => Commands::Nvme(abilities),
                Err(why) => {
                    tracing::warn!(disk = name, why, "its controller does not say what it can");
                    Commands::Other
                }
            },
            name if name.starts_with("sd") => {
                ata::Abilities::read(&medium).map_or(Commands::Other, Commands::Ata)
            }
            _ => Commands::Other,
        };
        Ok(Self { block, medium, commands })
    }

    /// Asked with a range that no disk can have: the kernel says first whether the disk can do it at all.
    fn discards_securely(&self) -> bool {
        let Ok(file) = self.medium_for_writing() else { return false };
        sys::secure_discard(&file, 1, 0).is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput)
    }

    fn secure_discard(&self) -> Result<(), String> {
        let (mut at, end) = (0, self.block.size());
        while at < end {
            let piece = PIECE.min(end - at);
            sys::secure_discard(&self.medium_for_writing()?, at, piece)
                .map_err(|error| format!("secure discard at byte {at}: {error}"))?;
            at += piece;
        }
        Ok(())
    }

    /// Discarding takes a descriptor that may write.
    fn medium_for_writing(&self) -> Result<File, String> {
        self.block.writer().map_err(|error| error.to_string())
    }
}

impl Drive for Device {
    fn disk(&self) -> &dyn Disk {
        &self.block
    }

    fn read_medium(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        // For whatever cannot be read past the page cache.
        let _ = fadvise(&self.medium, 0, None, Advice::DontNeed);
        let mut buffer = Buffer::new(into.len().next_multiple_of(ALIGNMENT));
        let aligned = buffer.head_mut(into.len());
        self.medium.read_exact_at(aligned, offset)?;
        into.copy_from_slice(aligned);
        Ok(())
    }

    fn methods(&self) -> (Vec<Method>, Vec<PassedOver>) {
        match &self.commands {
            Commands::Nvme(abilities) => abilities.methods(),
            Commands::Ata(abilities) => abilities.methods(),
            Commands::Other if self.discards_securely() => (vec![Method::SecureDiscard], Vec::new()),
            Commands::Other => (Vec::new(), Vec::new()),
        }
    }

    fn erase(&self, method: Method) -> Result<(), String> {
        match (method, &self.commands) {
            (Method::SecureDiscard, _) => self.secure_discard(),
            (_, Commands::Nvme(abilities)) => nvme::erase(&self.medium_for_writing()?, abilities, method),
            (_, Commands::Ata(abilities)) => ata::erase(&self.medium_for_writing()?, abilities, method),
            (_, Commands::Other) => Err(format!("it has no {}", method.word())),
        }
    }

    fn discard(&self, offset: u64, length: u64) {
        let Ok(file) = self.medium_for_writing() else { return };
        let (mut at, end) = (offset, offset.saturating_add(length));
        while at < end {
            let piece = PIECE.min(end - at);
            if sys::discard(&file, at, piece).is_err() {
                return;
            }
            at += piece;
        }
    }
}
