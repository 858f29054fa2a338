//! Where the seed goes, and putting it there.

use std::io;

use super::{ends::Ends, gpt, mbr};
use crate::{deploy::buffer::Buffer, disk::Disk};

/// How much of the image's beginning must be known: a GPT of the usual 128 entries ends at byte 17408.
pub const HEAD: usize = 64 << 10;
/// The name of the partition.
pub const NAME: &str = "CIDATA";
/// Partitions begin and end on these.
const MEBIBYTE: u64 = 1 << 20;

/// There is no place for the seed, or putting it there failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither GPT nor MBR.
    #[error("the image has no partition table")]
    NoTable,
    /// A GPT this program does not understand.
    #[error("the image's GPT cannot be read: {0}")]
    Gpt(String),
    /// All four primary partitions are taken.
    #[error("the image has an MBR with four primary partitions, so there is none left for the seed")]
    NoSlot,
    /// The last partition reaches into the end of the disk.
    #[error("the image's partitions reach to byte {taken}, the seed would begin at {begin}")]
    NoRoom {
        /// Where the last partition ends.
        taken: u64,
        /// Where the seed would begin.
        begin: u64,
    },
    /// An MBR cannot name sectors past 2 TiB.
    #[error("the image has an MBR, which cannot describe a partition at the end of a disk this large")]
    TooFar,
    /// The disk failed.
    #[error("the end of the disk cannot be changed")]
    Disk(#[source] io::Error),
}

/// A place for the seed, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it begins; a multiple of a mebibyte.
    pub begin: u64,
    /// How long it is; a multiple of a mebibyte.
    pub length: u64,
}

/// The last whole mebibytes before the backup GPT's mebibyte.
fn at_the_end(disk_size: u64, seed: u64) -> Option<Place> {
    let length = seed.next_multiple_of(MEBIBYTE);
    let begin = (disk_size / MEBIBYTE * MEBIBYTE).checked_sub(length + MEBIBYTE)?;
    Some(Place { begin, length })
}

/// Works out where a seed of `seed` bytes goes on a disk of `disk_size` bytes that will begin with `head`. `None` if
/// there is no seed. Writes nothing; an image on which [`place`] would fail for its table is refused here.
pub fn plan(head: &[u8], disk_size: u64, seed: u64) -> Result<Option<Place>, Error> {
    let mut ends = Ends::planned(head, disk_size);
    change(&mut ends, seed)
}

/// Changes the table at the two ends of a disk so that it uses the whole disk and names the seed's partition.
fn change(ends: &mut Ends, seed: u64) -> Result<Option<Place>, Error> {
    if seed == 0 {
        if gpt::is_there(ends) {
            gpt::grow(ends, None)?;
        }
        return Ok(None);
    }
    let no_room = Error::NoRoom { taken: ends.size(), begin: 0 };
    let place = at_the_end(ends.size(), seed).ok_or(no_room)?;
    if gpt::is_there(ends) {
        gpt::grow(ends, Some(place))?;
    } else if mbr::is_there(ends) {
        mbr::add(ends, place)?;
    } else {
        return Err(Error::NoTable);
    }
    Ok(Some(place))
}

/// Puts the seed on a disk that holds the image: first its bytes, then the table that names them. What an older system
/// left in the last mebibyte (a backup GPT, RAID superblocks) is zeroed. `virtual_size` is where the image ends.
pub fn place(disk: &dyn Disk, virtual_size: u64, seed: &[u8]) -> Result<u64, Error> {
    let mut ends = Ends::read(disk).map_err(Error::Disk)?;
    ends.forget_tail(virtual_size);
    let place = change(&mut ends, seed.len() as u64)?;
    let mut written = 0;
    if let Some(place) = place {
        written += write_seed(disk, place, seed).map_err(Error::Disk)?;
        disk.sync().map_err(Error::Disk)?;
    }
    written += ends.write(disk).map_err(Error::Disk)?;
    Ok(written)
}

fn write_seed(disk: &dyn Disk, place: Place, seed: &[u8]) -> io::Result<u64> {
    let mut piece = Buffer::new(usize::try_from(MEBIBYTE).unwrap_or(1 << 20));
    let mut at = place.begin;
    for part in seed.chunks(piece.capacity()) {
        let bytes = piece.head_mut(usize::MAX);
        let (now, padding) = bytes.split_at_mut(part.len());
        now.copy_from_slice(part);
        padding.fill(0);
        disk.write(at, bytes)?;
        at += bytes.len() as u64;
    }
    Ok(at - place.begin)
}
