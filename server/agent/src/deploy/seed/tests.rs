//! The seed gets its partition on GPT and MBR disks, twice the same, and hostile tables are refused unharmed.

use gptman::GPT;

use super::{ends::Ends, place::NAME, *};
use crate::{
    disk::{Disk, fake::Fake},
    fixture,
};

const MEBIBYTE: usize = 1 << 20;

fn disk_with(image: &[u8], size: usize) -> Fake {
    let disk = Fake::new(size);
    disk.write(0, image).unwrap();
    disk
}

#[test]
fn a_gpt_grows_to_the_disk_and_the_seed_is_its_last_partition() {
    let image = fixture::gpt_disk(8 * MEBIBYTE);
    let seed = vec![0x42; MEBIBYTE + 1000];
    let disk = disk_with(&image, 32 * MEBIBYTE);
    let planned = plan(&image[..HEAD], 32 * MEBIBYTE as u64, seed.len() as u64).unwrap().unwrap();
    place(&disk, image.len() as u64, &seed).unwrap();

    let bytes = disk.bytes();
    let table = GPT::read_from(&mut std::io::Cursor::new(&bytes), 512).unwrap();
    assert!(table.is_primary());
    assert_eq!(table.header.backup_lba, 32 * 2048 - 1);
    let (_, entry) = table.iter().find(|(_, entry)| entry.partition_name.as_str() == NAME).unwrap();
    let (begin, end) = (entry.starting_lba as usize * 512, (entry.ending_lba as usize + 1) * 512);
    assert_eq!((begin as u64, end as u64), (planned.begin, planned.begin + planned.length));
    assert_eq!(&bytes[begin..begin + seed.len()], &seed[..]);
    assert!(bytes[begin + seed.len()..end].iter().all(|byte| *byte == 0));
    assert_eq!(&bytes[MEBIBYTE..image.len()], &image[MEBIBYTE..], "the image's own partition is untouched");
    assert_eq!(&bytes[..4], b"boot", "the boot code is untouched");

    let backup = &bytes[bytes.len() - 512..];
    assert!(backup.starts_with(b"EFI PART"));
    let sectors = u32::from_le_bytes(bytes[458..462].try_into().unwrap());
    assert_eq!(sectors, 32 * 2048 - 1, "the protective entry covers the disk");
}

#[test]
fn doing_it_twice_gives_the_same_disk() {
    for image in [fixture::gpt_disk(8 * MEBIBYTE), fixture::mbr_disk(8 * MEBIBYTE, 3)] {
        let disk = disk_with(&image, 16 * MEBIBYTE);
        place(&disk, image.len() as u64, &[7; 5000]).unwrap();
        let once = disk.bytes();
        place(&disk, image.len() as u64, &[7; 5000]).unwrap();
        assert!(disk.bytes() == once);
    }
}

#[test]
fn an_mbr_gives_the_seed_its_first_free_primary_partition() {
    let image = fixture::mbr_disk(8 * MEBIBYTE, 2);
    let disk = disk_with(&image, 16 * MEBIBYTE);
    place(&disk, image.len() as u64, b"seed").unwrap();
    let bytes = disk.bytes();
    let entry = &bytes[446 + 32..446 + 48];
    assert_eq!(entry[4], 0x83);
    let begin = u32::from_le_bytes(entry[8..12].try_into().unwrap()) as usize * 512;
    assert_eq!((begin, &bytes[begin..begin + 4]), (14 * MEBIBYTE, &b"seed"[..]));
    assert_eq!(&bytes[..446 + 32], &image[..446 + 32]);
}

#[test]
fn what_has_no_place_is_refused_before_anything_is_written() {
    let mebibytes = |count: u64| count << 20;
    let gpt = fixture::gpt_disk(8 * MEBIBYTE);
    let full = plan(&fixture::mbr_disk(8 * MEBIBYTE, 4)[..HEAD], mebibytes(16), 1);
    assert!(matches!(full, Err(Error::NoSlot)), "{full:?}");
    let none = plan(&vec![0; HEAD], mebibytes(16), 1);
    assert!(matches!(none, Err(Error::NoTable)), "{none:?}");
    let tight = plan(&gpt[..HEAD], mebibytes(8), 2 << 20);
    assert!(matches!(tight, Err(Error::NoRoom { .. })), "{tight:?}");
    let far = plan(&fixture::mbr_disk(8 * MEBIBYTE, 1)[..HEAD], 3 << 40, 1);
    assert!(matches!(far, Err(Error::TooFar)), "{far:?}");
    assert_eq!(plan(&vec![0; HEAD], mebibytes(16), 0).unwrap(), None);
}

#[test]
fn without_a_seed_the_gpt_still_grows_and_other_images_stay_as_they_are() {
    let image = fixture::gpt_disk(8 * MEBIBYTE);
    let disk = disk_with(&image, 16 * MEBIBYTE);
    place(&disk, image.len() as u64, &[]).unwrap();
    let table = GPT::read_from(&mut std::io::Cursor::new(disk.bytes()), 512).unwrap();
    assert_eq!(
        (table.header.backup_lba, table.iter().filter(|(_, entry)| entry.is_used()).count()),
        (16 * 2048 - 1, 1)
    );

    let plain = vec![3; 4 * MEBIBYTE];
    let disk = disk_with(&plain, 8 * MEBIBYTE);
    place(&disk, plain.len() as u64, &[]).unwrap();
    assert!(disk.bytes()[..plain.len()] == plain);
}

#[test]
fn an_older_systems_table_at_the_end_of_the_disk_is_forgotten() {
    let disk = Fake::new(16 * MEBIBYTE);
    disk.write(15 * MEBIBYTE as u64 + 512, b"RAID superblock").unwrap();
    let image = fixture::mbr_disk(8 * MEBIBYTE, 1);
    disk.write(0, &image).unwrap();
    place(&disk, image.len() as u64, b"seed").unwrap();
    assert!(disk.bytes()[15 * MEBIBYTE..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_hostile_gpt_is_refused_and_never_followed_out_of_bounds() {
    let good = fixture::gpt_disk(8 * MEBIBYTE);
    for at in 512..512 + 92 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut image = good.clone();
            image[at] = value;
            // Make the checksum right again, so that the numbers themselves are looked at.
            image[528..532].fill(0);
            let sum = crc32(&image[512..604]);
            image[528..532].copy_from_slice(&sum.to_le_bytes());
            let mut ends = Ends::planned(&image[..HEAD], 16 << 20);
            let _ = gpt::grow(&mut ends, None);
            let _ = plan(&image[..HEAD], 16 << 20, 1000);
        }
    }
    for at in (1024..1024 + 256).step_by(3) {
        let mut image = good.clone();
        image[at] ^= 0xff;
        let _ = plan(&image[..HEAD], 16 << 20, 1000);
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |s, _| (s >> 1) ^ (0xedb8_8320 & (s & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}
