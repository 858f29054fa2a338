//! qcow2 headers and tables: what is read, what is refused by name, and that nothing is followed out of bounds.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const CLUSTER_BITS: u32 = 12;
const CLUSTER: usize = 1 << CLUSTER_BITS;
const DISK: usize = 9 * CLUSTER - 512;
const L1: u64 = CLUSTER as u64;
const L2: u64 = 2 * CLUSTER as u64;

fn put<const N: usize>(image: &mut Vec<u8>, at: usize, bytes: [u8; N]) {
    image.resize(image.len().max(at + N), 0);
    image[at..at + N].copy_from_slice(&bytes);
}

/// What one cluster of the hand-made image holds.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Unallocated,
    ZeroFlag,
    Plain(u8),
    Packed(u8),
}

fn pattern(seed: u8) -> Vec<u8> {
    (0..CLUSTER).map(|n| seed.wrapping_add((n / 64) as u8)).collect()
}

/// An image written by hand: header, L1, one L2, then the clusters; and the disk it describes.
fn image(zstd: bool, fills: &[Fill]) -> (Vec<u8>, Vec<u8>) {
    let mut image = vec![0; 3 * CLUSTER];
    put(&mut image, 0, *b"QFI\xfb");
    put(&mut image, 4, 3_u32.to_be_bytes());
    put(&mut image, 20, CLUSTER_BITS.to_be_bytes());
    put(&mut image, 24, (DISK as u64).to_be_bytes());
    put(&mut image, 36, 1_u32.to_be_bytes());
    put(&mut image, 40, L1.to_be_bytes());
    put(&mut image, 72, (u64::from(zstd) << 3).to_be_bytes());
    put(&mut image, 100, 112_u32.to_be_bytes());
    put(&mut image, 104, [u8::from(zstd)]);
    put(&mut image, L1 as usize, (L2 | 1 << 63).to_be_bytes());
    let mut disk = Vec::new();
    for (index, fill) in fills.iter().enumerate() {
        image.resize(image.len().next_multiple_of(CLUSTER), 0);
        let at = image.len() as u64;
        let entry = match fill {
            Fill::Unallocated => 0,
            Fill::ZeroFlag => at | 1,
            Fill::Plain(seed) => {
                image.extend(pattern(*seed));
                at | 1 << 63
            }
            Fill::Packed(seed) => {
                // Deliberately not at a sector, as QEMU packs them.
                image.extend([0xee; 100]);
                let packed = pack(zstd, &pattern(*seed));
                let bits = 62 - (CLUSTER_BITS - 8);
                let offset = at + 100;
                let sectors = (offset % 512 + packed.len() as u64).div_ceil(512) - 1;
                image.extend(packed);
                1 << 62 | sectors << bits | offset
            }
        };
        put(&mut image, L2 as usize + 8 * index, entry.to_be_bytes());
        disk.extend(match fill {
            Fill::Unallocated | Fill::ZeroFlag => vec![0; CLUSTER],
            Fill::Plain(seed) | Fill::Packed(seed) => pattern(*seed),
        });
    }
    disk.resize(DISK, 0);
    (image, disk)
}

fn pack(zstd: bool, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    if zstd {
        return zstd::encode_all(bytes, 3).unwrap();
    }
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(image: &[u8]) -> Result<Vec<u8>, Error> {
    let mut disk = Vec::new();
    Reader::open(Cursor::new(image), 1 << 30)?.read(|extent| {
        match extent {
            Extent::Zeros(length) => disk.resize(disk.len() + length as usize, 0),
            Extent::Data(bytes) => disk.extend_from_slice(bytes),
        }
        Ok::<_, Error>(())
    })?;
    Ok(disk)
}

fn mixed() -> Vec<Fill> {
    use Fill::{Packed, Plain, Unallocated, ZeroFlag};
    vec![Plain(1), Packed(2), Unallocated, ZeroFlag, Packed(5), Plain(6), Unallocated, Plain(8), Packed(9)]
}

fn changed<const N: usize>(at: usize, bytes: [u8; N]) -> Error {
    let (mut image, _) = image(false, &mixed());
    put(&mut image, at, bytes);
    read(&image).unwrap_err()
}

#[test]
fn a_hand_made_image_reads_as_the_disk_it_describes() {
    for zstd in [false, true] {
        let (image, disk) = image(zstd, &mixed());
        assert!(read(&image).unwrap() == disk, "zstd: {zstd}");
    }
}

#[test]
fn version_2_is_read_and_has_no_zero_flag() {
    let (mut image, disk) = image(false, &[Fill::Plain(1), Fill::Packed(2)]);
    put(&mut image, 4, 2_u32.to_be_bytes());
    put(&mut image, 72, u64::MAX.to_be_bytes());
    assert!(read(&image).unwrap() == disk);
    put(&mut image, L2 as usize, 1_u64.to_be_bytes());
    assert!(matches!(read(&image), Err(Error::Entry { what: "L2", guest: 0, .. })));
}

#[test]
fn what_reaches_outside_the_file_or_is_not_understood_is_refused_by_name() {
    let named = |error: Error, word: &str| {
        assert!(error.to_string().contains(word), "{error} should name {word}");
    };
    named(changed(8, 512_u64.to_be_bytes()), "backing file");
    named(changed(16, 8_u32.to_be_bytes()), "backing file");
    named(changed(32, 1_u32.to_be_bytes()), "encryption");
    named(changed(32, 2_u32.to_be_bytes()), "encryption");
    named(changed(4, 1_u32.to_be_bytes()), "version");
    named(changed(72, 2_u64.to_be_bytes()), "corrupt");
    named(changed(72, 4_u64.to_be_bytes()), "external data file");
    named(changed(72, 16_u64.to_be_bytes()), "subclusters");
    named(changed(72, (1_u64 << 40).to_be_bytes()), "0x10000000000");
    let (mut other, _) = image(true, &mixed());
    put(&mut other, 104, [2]);
    named(read(&other).unwrap_err(), "compression type");
}

#[test]
fn absurd_tables_are_refused_before_memory_is_taken() {
    assert!(matches!(changed(20, 8_u32.to_be_bytes()), Error::Header(_)));
    assert!(matches!(changed(20, 22_u32.to_be_bytes()), Error::Header(_)));
    assert!(matches!(changed(20, u32::MAX.to_be_bytes()), Error::Header(_)));
    assert!(matches!(changed(24, 0_u64.to_be_bytes()), Error::Header(_)));
    assert!(matches!(changed(24, u64::MAX.to_be_bytes()), Error::TooBig { .. }));
    assert!(matches!(changed(36, 0_u32.to_be_bytes()), Error::Header(_)));
    assert!(matches!(changed(40, 8_u64.to_be_bytes()), Error::Header(_)));
    let far = u64::MAX - (CLUSTER as u64 - 1);
    assert!(matches!(changed(40, far.to_be_bytes()), Error::OutOfBounds { what: "L1 table", .. }));
    // 512-byte clusters and an enormous disk: the L1 table alone would have gigabytes.
    let (mut wide, _) = image(false, &mixed());
    put(&mut wide, 20, 9_u32.to_be_bytes());
    put(&mut wide, 24, (1_u64 << 45).to_be_bytes());
    put(&mut wide, 36, u32::MAX.to_be_bytes());
    assert!(matches!(Reader::open(Cursor::new(wide), u64::MAX).err(), Some(Error::Header(_))));
}

#[test]
fn entries_that_point_astray_are_refused() {
    let (l1, l2) = (L1 as usize, L2 as usize);
    assert!(matches!(changed(l1, (L2 + 512).to_be_bytes()), Error::Entry { what: "L1", .. }));
    assert!(matches!(changed(l1, (1_u64 << 40).to_be_bytes()), Error::OutOfBounds { what: "L2 table", .. }));
    assert!(matches!(changed(l2, (1_u64 << 40).to_be_bytes()), Error::OutOfBounds { what: "cluster", .. }));
    assert!(matches!(changed(l2, (L2 | 2).to_be_bytes()), Error::Entry { what: "L2", .. }));
    assert!(matches!(changed(l2, (1_u64 << 62 | 1 << 40).to_be_bytes()), Error::OutOfBounds { .. }));
    assert!(matches!(changed(l2, (1_u64 << 62 | 8).to_be_bytes()), Error::Compressed { guest: 0, .. }));
}

#[test]
fn a_file_cut_anywhere_inside_what_is_used_is_refused() {
    let fills: Vec<Fill> = (1..10).map(Fill::Plain).collect();
    let (image, disk) = image(false, &fills);
    let used = image.len() - 512;
    assert!(read(&image[..used]).unwrap() == disk, "the file may end with the disk");
    for length in (0..used).step_by(509).chain([used - 1]) {
        assert!(read(&image[..length]).is_err(), "cut at {length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_mutated_image_never_panics_and_never_gives_another_size(
        zstd: bool,
        mutations in prop::collection::vec((0_usize..5, any::<u64>(), any::<[u8; 8]>()), 1..6),
    ) {
        let (mut image, _) = image(zstd, &mixed());
        for (region, place, bytes) in mutations {
            let (from, length) = [(0, 112), (0, 112), (L1 as usize, 64), (L2 as usize, 128), (0, image.len())][region];
            let at = from + (place as usize) % length;
            for (slot, byte) in image[at..].iter_mut().zip(&bytes[..1 + (place >> 61) as usize]) {
                *slot = *byte;
            }
        }
        // The limit bounds what may come out; the reader's own memory is bounded by the file and a cluster.
        let limit = 64 << 20;
        if let Ok(reader) = Reader::open(Cursor::new(&image), limit) {
            let (mut sum, size) = (0_u64, reader.virtual_size());
            prop_assert!(size <= limit);
            let read = reader.read(|extent| {
                sum += match extent {
                    Extent::Zeros(length) => length,
                    Extent::Data(bytes) => {
                        assert!(bytes.len() <= 2 << 20);
                        bytes.len() as u64
                    }
                };
                Ok::<_, Error>(())
            });
            let fits = if read.is_ok() { sum == size } else { sum <= size };
            prop_assert!(fits);
        }
    }
}
