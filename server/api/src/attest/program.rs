//! EFI programs by the hash that firmware measures and verifies them by: SHA-256 of what Authenticode covers (Windows
//! Authenticode Portable Executable Signature Format, "Calculating the PE Image Hash"), as EDK2 computes it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use ring::digest::{Context, SHA256};

/// The agent as one program, and what it starts in turn.
const AGENT: &str = "boot.signed.efi";
const KERNEL: &str = "vmlinuz";
/// What starts the agent where firmware knows only Microsoft's key; there need be none.
const SHIM: &str = "shim.efi";
/// No program of ours is larger.
const MOST: u64 = 512 << 20;
const SECTIONS: usize = 96;

/// The programs that a host may have started.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// The agent's.
    pub(super) agent: [u8; 32],
    /// The kernel in it, which its stub may start as a program of its own.
    pub(super) kernel: [u8; 32],
    /// The shim before them, where there is one.
    pub(super) shim: Option<[u8; 32]>,
}

impl Programs {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = [u8; 32]> {
        [self.agent, self.kernel].into_iter().chain(self.shim)
    }
}

/// Those of a ramdisk.
///
/// # Errors
/// In words, why it is not known what may be started.
pub(super) fn of(ramdisk: &Path) -> Result<Programs, String> {
    let hash = |name: &str| known(&ramdisk.join(name));
    let missing = |error: String| {
        format!("the server has no program to hold it against ({error}); make one: underlay ramdisk sign")
    };
    let shim = ramdisk.join(SHIM).exists().then(|| hash(SHIM)).transpose()?;
    Ok(Programs { agent: hash(AGENT).map_err(missing)?, kernel: hash(KERNEL).map_err(missing)?, shim })
}

/// Length and time of a file, and the hash of the program in it.
type Hashed = (u64, SystemTime, [u8; 32]);

/// What was hashed before, by path, length and time.
static KNOWN: Mutex<Option<HashMap<PathBuf, Hashed>>> = Mutex::new(None);

fn known(path: &Path) -> Result<[u8; 32], String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(failed)?;
    let (length, changed) = (metadata.len(), metadata.modified().map_err(failed)?);
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, _, hash)) =
        lock().as_ref().and_then(|known| known.get(path)).filter(|it| (it.0, it.1) == (length, changed))
    {
        return Ok(*hash);
    }
    let mut program = Vec::new();
    File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut program)).map_err(failed)?;
    let hash = hash(&program).ok_or_else(|| format!("{} is no EFI program", path.display()))?;
    lock().get_or_insert_default().insert(path.to_owned(), (length, changed, hash));
    Ok(hash)
}

/// The hash; none where it is no program of 64 bits.
pub(super) fn hash(program: &[u8]) -> Option<[u8; 32]> {
    let coff = usize::try_from(u32_at(program, 0x3c)?).ok()?.checked_add(4)?;
    if !program.starts_with(b"MZ") || program.get(coff.checked_sub(4)?..coff)? != b"PE\0\0" {
        return None;
    }
    let optional = coff.checked_add(20)?;
    let count = usize::from(u16_at(program, coff + 2)?);
    let table = optional.checked_add(usize::from(u16_at(program, coff + 16)?))?;
    if u16_at(program, optional)? != 0x20b || count > SECTIONS {
        return None;
    }
    let headers = usize::try_from(u32_at(program, optional + 60)?).ok()?;
    let (checksum, certificates) = (optional + 64, optional + 112 + 4 * 8);
    let signature = usize::try_from(u32_at(program, certificates + 4)?).ok()?;
    let mut context = Context::new(&SHA256);
    // Neither the checksum nor where the signature is.
    for range in [0..checksum, checksum + 4..certificates, certificates + 8..headers] {
        context.update(program.get(range)?);
    }
    let mut sections = Vec::new();
    for section in 0..count {
        let at = table + 40 * section;
        let length = usize::try_from(u32_at(program, at + 16)?).ok()?;
        sections.push((usize::try_from(u32_at(program, at + 20)?).ok()?, length));
    }
    sections.sort_unstable();
    let mut hashed = headers;
    for (at, length) in sections.into_iter().filter(|(_, length)| *length > 0) {
        context.update(program.get(at..at.checked_add(length)?)?);
        hashed = hashed.checked_add(length)?;
    }
    let end = program.len().checked_sub(signature)?;
    if hashed < end {
        context.update(program.get(hashed..end)?);
    }
    context.finish().as_ref().try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}
