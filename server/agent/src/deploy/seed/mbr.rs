//! The MBR: four primary partitions in the first sector, of which a free one becomes the seed's.

use underlay_core::image::manifest::SECTOR_SIZE;

use super::{
    ends::Ends,
    place::{Error, Place},
};

const TABLE: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// "Linux", which any reader takes for a file system.
const LINUX: u8 = 0x83;

/// Is there an MBR with at least one partition?
pub(super) fn is_there(ends: &Ends) -> bool {
    let sector = ends.head(512);
    let used = |entry: &[u8]| entry.get(4).is_some_and(|kind| *kind != 0);
    sector.ends_with(&SIGNATURE) && sector.get(TABLE..510).is_some_and(|table| table.chunks(ENTRY).any(used))
}

/// Adds the seed's partition, or leaves the one that is there already.
pub(super) fn add(ends: &mut Ends, place: Place) -> Result<(), Error> {
    let sectors = |bytes: u64| u32::try_from(bytes / SECTOR_SIZE).map_err(|_| Error::TooFar);
    let (first, count) = (sectors(place.begin)?, sectors(place.length)?);
    let table = ends.head_mut(512).get_mut(TABLE..510).ok_or(Error::NoTable)?;
    let mut wanted = [0, 0xfe, 0xff, 0xff, LINUX, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    let (_, numbers) = wanted.split_at_mut(8);
    for (to, from) in numbers.iter_mut().zip(first.to_le_bytes().into_iter().chain(count.to_le_bytes())) {
        *to = from;
    }
    if table.chunks(ENTRY).any(|entry| entry == wanted) {
        return Ok(());
    }
    let taken = table.chunks(ENTRY).map(end_of).max().unwrap_or(0);
    if taken > u64::from(first) {
        return Err(Error::NoRoom { taken: taken * SECTOR_SIZE, begin: place.begin });
    }
    let is_free = |entry: &&mut [u8]| entry.get(4) == Some(&0);
    table.chunks_mut(ENTRY).find(is_free).ok_or(Error::NoSlot)?.copy_from_slice(&wanted);
    Ok(())
}

/// The sector after a partition; 0 for a free entry.
fn end_of(entry: &[u8]) -> u64 {
    let number = |at: usize| {
        let bytes = entry.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_le_bytes))
    };
    if entry.get(4) == Some(&0) { 0 } else { number(8) + number(12) }
}
