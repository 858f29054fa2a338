//! The GPT (UEFI 2.10 section 5.3): grown to the whole disk, its backup moved to the end, the seed's partition added.
//!
//! The boot code and the entries of the first sector stay as the image has them; only the size of a lone protective
//! entry follows the disk.

use gptman::{GPT, GPTPartitionEntry};
use underlay_core::image::{Blake3, manifest::SECTOR_SIZE};

use super::{
    ends::Ends,
    place::{Error, NAME, Place},
};

/// "Linux file system data", 0FC63DAF-8483-4772-8E79-3D69D8477DE4, as GPT stores it.
const LINUX: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
/// More entries than any partitioning program makes.
const MAX_ENTRIES: u32 = 1024;
const ENTRY_SIZE: u32 = 128;

/// Does the second sector begin as a GPT does?
pub(super) fn is_there(ends: &Ends) -> bool {
    ends.head(1024).get(512..).is_some_and(|sector| sector.starts_with(b"EFI PART"))
}

/// Makes the table cover the whole disk, and hold the seed's partition if there is one.
pub(super) fn grow(ends: &mut Ends, place: Option<Place>) -> Result<(), Error> {
    check_header(ends)?;
    let bad = |error: gptman::Error| Error::Gpt(error.to_string());
    let mut table = GPT::read_from(ends, SECTOR_SIZE).map_err(bad)?;
    if !table.is_primary() {
        return Err(Error::Gpt("its primary header is damaged".into()));
    }
    table.header.update_from(ends, SECTOR_SIZE).map_err(bad)?;
    if let Some(place) = place {
        add(&mut table, place)?;
    }
    table.write_into(ends).map_err(bad)?;
    stretch_protective_entry(ends);
    Ok(())
}

/// Bounds what the library will trust: the number and size of entries, before it allocates or loops over them.
fn check_header(ends: &Ends) -> Result<(), Error> {
    let header = ends.head(1024).get(512..).unwrap_or_default();
    let number = |at: usize| {
        header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    };
    let (entries, size) = (number(80), number(84));
    let table = u64::from(number(76)) << 32 | u64::from(number(72));
    if entries == 0 || entries > MAX_ENTRIES || size != ENTRY_SIZE || table != 2 {
        return Err(Error::Gpt(format!("it has {entries} entries of {size} bytes at sector {table}")));
    }
    Ok(())
}

fn add(table: &mut GPT, place: Place) -> Result<(), Error> {
    let first = place.begin / SECTOR_SIZE;
    let last = (place.begin + place.length) / SECTOR_SIZE - 1;
    let same =
        |entry: &GPTPartitionEntry| entry.starting_lba == first && entry.partition_name.as_str() == NAME;
    let is_seed = |entry: &GPTPartitionEntry| entry.is_used() && same(entry);
    let there = table.iter().find(|(_, entry)| is_seed(entry)).map(|(number, _)| number);
    let others = table.iter().filter(|(number, entry)| entry.is_used() && Some(*number) != there);
    let taken = others.map(|(_, entry)| entry.ending_lba.saturating_add(1)).max().unwrap_or(0);
    if taken > first || last > table.header.last_usable_lba {
        return Err(Error::NoRoom { taken: taken.saturating_mul(SECTOR_SIZE), begin: place.begin });
    }
    let free = table.iter().find(|(_, entry)| entry.is_unused()).map(|(number, _)| number);
    let number = there.or(free).ok_or(Error::NoSlot)?;
    let unique = unique_guid(&table.header.disk_guid);
    let entry = GPTPartitionEntry {
        partition_type_guid: LINUX,
        unique_partition_guid: unique,
        starting_lba: first,
        ending_lba: last,
        attribute_bits: 0,
        partition_name: NAME.into(),
    };
    match table.iter_mut().find(|(at, _)| *at == number) {
        Some((_, slot)) => *slot = entry,
        None => return Err(Error::NoSlot),
    }
    Ok(())
}

/// The same disk gets the same id each time, so that doing it twice changes nothing. Marked as a random UUID (RFC 9562).
fn unique_guid(disk: &[u8; 16]) -> [u8; 16] {
    let digest = Blake3::of(&[&disk[..], NAME.as_bytes()].concat());
    let mut id = [0; 16];
    id.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    let [_, _, _, _, _, _, _, version, variant, ..] = &mut id;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    id
}

/// A lone entry of type EE covers the disk; a hybrid MBR, or one made bootable, keeps all it has but the size.
fn stretch_protective_entry(ends: &mut Ends) {
    let sectors = u32::try_from(ends.size() / SECTOR_SIZE - 1).unwrap_or(u32::MAX).to_le_bytes();
    let Some(table) = ends.head_mut(512).get_mut(446..510) else { return };
    let protective =
        |entry: &&mut [u8]| entry.get(4) == Some(&0xee) && entry.get(8..12) == Some(&[1, 0, 0, 0]);
    let used = table.chunks(16).filter(|entry| entry.get(4) != Some(&0)).count();
    if used == 1
        && let Some(entry) = table.chunks_mut(16).find(protective)
        && let Some(count) = entry.get_mut(12..16)
    {
        count.copy_from_slice(&sectors);
    }
}
