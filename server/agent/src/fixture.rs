//! Disk images for tests: what a disk should read like, what is sent for it, and the manifest between the two.

use std::ops::Range;

use gptman::{GPT, GPTPartitionEntry};
use underlay_core::image::{Blake3, Encoding, Manifest, Segment, Sha256};

/// An image in its three forms.
#[derive(Clone, Debug)]
pub struct Image {
    /// What the disk must begin with.
    pub plain: Vec<u8>,
    /// The data blob.
    pub stored: Vec<u8>,
    /// The manifest.
    pub manifest: Manifest,
}

/// Cuts `plain` into segments of `length` bytes: holes where all is zero, zstd where that is smaller, else raw.
pub fn image(plain: Vec<u8>, length: usize) -> Image {
    let mut stored = Vec::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut offset = 0;
    for piece in plain.chunks(length) {
        let packed = zstd::bulk::compress(piece, 3).unwrap();
        let (encoding, bytes) = match piece {
            piece if piece.iter().all(|byte| *byte == 0) => (Encoding::Hole, &[][..]),
            piece if packed.len() < piece.len() => (Encoding::Zstd, &packed[..]),
            piece => (Encoding::Raw, piece),
        };
        segments.push(Segment {
            offset,
            length: piece.len() as u64,
            encoding,
            stored_offset: stored.len() as u64,
            stored_length: bytes.len() as u64,
            blake3: Blake3::of(bytes),
        });
        stored.extend_from_slice(bytes);
        offset += piece.len() as u64;
    }
    let manifest = Manifest::new(Sha256::from_bytes([7; 32]), plain.len() as u64, segments).unwrap();
    Image { plain, stored, manifest }
}

/// A disk of `size` bytes with a GPT, one partition from 1 MiB to its end, and in it, mebibyte by mebibyte, noise, text,
/// and nothing.
pub fn gpt_disk(size: usize) -> Vec<u8> {
    let mut disk = vec![0; size];
    fill(&mut disk[1 << 20..size - (1 << 20)]);
    disk[..4].copy_from_slice(b"boot");
    let mut cursor = std::io::Cursor::new(&mut disk[..]);
    let mut table = GPT::new_from(&mut cursor, 512, [1; 16]).unwrap();
    table[1] = partition(2048..(size as u64 >> 9) - 2048);
    table.write_into(&mut cursor).unwrap();
    GPT::write_protective_mbr_into(&mut cursor, 512).unwrap();
    disk
}

/// The same with an MBR that has `used` primary partitions.
pub fn mbr_disk(size: usize, used: usize) -> Vec<u8> {
    let mut disk = vec![0; size];
    fill(&mut disk[1 << 20..size - (1 << 20)]);
    for entry in 0..used {
        let at = 446 + entry * 16;
        disk[at + 4] = 0x83;
        disk[at + 8..at + 12].copy_from_slice(&(2048 + entry as u32 * 64).to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&64_u32.to_le_bytes());
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

fn partition(sectors: Range<u64>) -> GPTPartitionEntry {
    GPTPartitionEntry {
        partition_type_guid: [9; 16],
        unique_partition_guid: [8; 16],
        starting_lba: sectors.start,
        ending_lba: sectors.end - 1,
        attribute_bits: 0,
        partition_name: "root".into(),
    }
}

fn fill(bytes: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for (index, piece) in bytes.chunks_mut(1 << 20).enumerate() {
        for word in piece.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let noise = match index % 3 {
                0 => state,
                1 => state & 0x0303_0303_0303_0303,
                _ => 0,
            };
            word.copy_from_slice(&noise.to_le_bytes()[..word.len()]);
        }
    }
}
