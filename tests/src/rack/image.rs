//! Disks of a few MiB that a BIOS boots: their first sector says on the serial port that it runs, and stops there.
//!
//! The rest is a GPT with one partition of bytes that do not compress, so that writing it takes a while and a byte that
//! went wrong shows.

use std::{
    fs::File,
    io::{Cursor, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use underlay_proto::v1 as pb;

const MIB: usize = 1 << 20;
const SECTOR: u64 = 512;

/// 16-bit code at 0x7c00: send the bytes from 0x7c22 on to COM1 up to the zero, then halt for ever.
const CODE: [u8; 34] = [
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0xfc, // cld
    0xbe, 0x22, 0x7c, // mov si, 0x7c22
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x12, // jz halt
    0x88, 0xc4, // mov ah, al
    0xba, 0xfd, 0x03, // mov dx, 0x3fd
    0xec, // full: in al, dx
    0xa8, 0x20, // test al, 0x20
    0x74, 0xfb, // jz full
    0x88, 0xe0, // mov al, ah
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xee, // out dx, al
    0xeb, 0xe9, // jmp next
    0xf4, // halt: hlt
    0xeb, 0xfd, // jmp halt
];

/// An image on disk, and what is in it.
pub struct Image {
    path: PathBuf,
    banner: String,
    bytes: Vec<u8>,
}

impl Image {
    /// Make one of `mebibytes` in `directory`; two of different names differ in every part.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn make(directory: &Path, name: &str, mebibytes: usize) -> Result<Self> {
        let banner = format!("this is the disk {name}");
        let mut bytes = noise(name, mebibytes * MIB);
        bytes.iter_mut().take(MIB).for_each(|byte| *byte = 0);
        let tail = bytes.len() - MIB;
        bytes.iter_mut().skip(tail).for_each(|byte| *byte = 0);
        partition(&mut bytes).context("partitioning an image")?;
        let mut code = CODE.to_vec();
        code.extend(format!("{banner}\r\n\0").bytes());
        ensure!(code.len() < 440, "the name {name} is too long");
        bytes.iter_mut().zip(code).for_each(|(to, from)| *to = from);
        let path = directory.join(format!("{name}.raw"));
        std::fs::write(&path, &bytes).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path, banner, bytes })
    }

    /// What it says on the serial port when it is booted.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As the server imports it.
    pub fn spec(&self) -> pb::ImageSpec {
        let sha256 = Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        pb::ImageSpec { url: format!("file://{}", self.path.display()), sha256, ..Default::default() }
    }

    /// The same as `source` of `underlay_image`.
    pub fn hcl(&self) -> String {
        let pb::ImageSpec { url, sha256, .. } = self.spec();
        format!("source = {{ url = \"{url}\", sha256 = \"{sha256}\" }}")
    }

    /// Is the image on that disk, boot sector and partition, byte for byte? The table itself grows with the disk, and
    /// the last MiB of the image held its backup.
    ///
    /// # Errors
    /// It is not; the first byte that differs is named.
    pub fn is_on(&self, disk: &Path) -> Result<()> {
        let mut file = File::open(disk).with_context(|| format!("opening {}", disk.display()))?;
        for range in [0..440, MIB..self.bytes.len() - MIB] {
            let wanted = self.bytes.get(range.clone()).context("the image has these bytes")?;
            let mut found = vec![0; wanted.len()];
            file.seek(SeekFrom::Start(range.start as u64)).context("reading the disk")?;
            file.read_exact(&mut found).context("reading the disk")?;
            let differs = wanted.iter().zip(&found).position(|(wanted, found)| wanted != found);
            ensure!(differs.is_none(), "byte {} differs", range.start + differs.unwrap_or_default());
        }
        Ok(())
    }
}

/// Where on a disk the one-time URL of the installed system stands, as the seed names it.
///
/// # Errors
/// There is no seed on that disk.
pub fn phone_home_path(disk: &Path) -> Result<String> {
    const PATH: &[u8] = b"/v1/phone-home/";
    let bytes = std::fs::read(disk).with_context(|| format!("reading {}", disk.display()))?;
    let at = bytes.windows(PATH.len()).position(|window| window == PATH).context("the disk has no seed")?;
    let rest = bytes.get(at..).unwrap_or_default();
    let path = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte));
    String::from_utf8(path.copied().collect()).context("a path is text")
}

fn partition(bytes: &mut [u8]) -> Result<()> {
    let mut disk = Cursor::new(bytes);
    let mut table = gptman::GPT::new_from(&mut disk, SECTOR, *b"underlay test im")?;
    let last = disk.get_ref().len() as u64 / SECTOR - 2048 - 1;
    let partition = gptman::GPTPartitionEntry {
        partition_type_guid: *b"underlay testing",
        unique_partition_guid: *b"underlay testin1",
        starting_lba: 2048,
        ending_lba: last,
        attribute_bits: 0,
        partition_name: "noise".into(),
    };
    match table.iter_mut().next() {
        Some((_, entry)) => *entry = partition,
        None => anyhow::bail!("the table has no entries"),
    }
    table.write_into(&mut disk)?;
    gptman::GPT::write_protective_mbr_into(&mut disk, SECTOR)?;
    disk.flush()?;
    Ok(())
}

/// Bytes that look random and are the same for the same name (xorshift64*).
fn noise(name: &str, length: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    }) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
