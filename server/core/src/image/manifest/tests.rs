//! Manifests: both spellings are the golden ones and read back; a flipped bit is refused or changes nothing.

use super::*;

const MIB: u64 = 1 << 20;

fn stored(encoding: Encoding, length: u64, bytes: &[u8]) -> Segment {
    Segment {
        offset: 0,
        length,
        encoding,
        stored_offset: 0,
        stored_length: bytes.len() as u64,
        blake3: Blake3::of(bytes),
    }
}

/// Puts the segments one behind the other.
fn laid_out(mut segments: Vec<Segment>) -> Vec<Segment> {
    let (mut offset, mut stored_offset) = (0, 0);
    for segment in &mut segments {
        (segment.offset, segment.stored_offset) = (offset, stored_offset);
        (offset, stored_offset) = (segment.end(), segment.stored_end());
    }
    segments
}

fn source() -> Sha256 {
    Sha256::from_bytes([7; 32])
}

fn sample() -> Manifest {
    let segments = laid_out(vec![
        stored(Encoding::Raw, 512, &[1; 512]),
        stored(Encoding::Hole, 12 * MIB - 512, &[]),
        stored(Encoding::Zstd, 4 * MIB, b"pretend this is a frame"),
    ]);
    Manifest::new(source(), 16 * MIB, segments).unwrap()
}

#[test]
fn the_json_spelling_is_the_golden_one() {
    let golden = include_str!("golden.json");
    assert_eq!(sample().to_json(), golden);
    assert_eq!(Manifest::from_json(golden.as_bytes()).unwrap(), sample());
    assert_eq!(serde_json::from_str::<Manifest>(golden).unwrap(), sample());
}

#[test]
fn the_canonical_spelling_has_its_documented_length_and_reads_back() {
    let manifest = sample();
    let bytes = manifest.encode();
    assert_eq!(bytes.len(), 72 + 3 * 49);
    assert_eq!(Manifest::decode(&bytes, &manifest.digest()).unwrap(), manifest);
}

#[test]
fn every_single_bit_flip_of_the_canonical_bytes_is_refused() {
    let manifest = sample();
    let bytes = manifest.encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(Manifest::decode(&flipped, &manifest.digest()), Err(Error::Digest { .. })),
            "bit {bit}"
        );
    }
}

#[test]
fn every_single_bit_flip_of_the_json_is_refused_or_changes_nothing() {
    let manifest = sample();
    let json = manifest.to_json().into_bytes();
    for bit in 0..json.len() * 8 {
        let mut flipped = json.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Upper-case hex and other white space say the same thing; nothing else may pass.
        if let Ok(read) = Manifest::from_json(&flipped) {
            assert_eq!(read, manifest, "bit {bit}");
        }
    }
}

#[test]
fn canonical_bytes_that_lie_are_refused_even_under_their_own_digest() {
    let bytes = sample().encode();
    let own = |bytes: &[u8]| Manifest::decode(bytes, &Blake3::of(bytes));
    for length in 0..bytes.len() {
        assert!(own(&bytes[..length]).is_err(), "cut at {length}");
    }
    let mut many = bytes.clone();
    many[64..72].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(own(&many), Err(Error::TooManySegments(u64::MAX))));
    let mut unknown = bytes.clone();
    unknown[72] = 9;
    assert!(matches!(own(&unknown), Err(Error::ReadCanonical(_))));
    let mut later = bytes.clone();
    later[16] = 2;
    assert!(matches!(own(&later), Err(Error::Version(2))));
    let mut endless = bytes;
    endless[73..81].copy_from_slice(&(u64::MAX - 511).to_le_bytes());
    assert!(own(&endless).is_err());
}

#[test]
fn segments_that_do_not_tile_the_disk_are_refused() {
    let good = sample().segments().to_vec();
    let broken = |change: fn(&mut Vec<Segment>)| {
        let mut segments = good.clone();
        change(&mut segments);
        Manifest::new(source(), 16 * MIB, segments)
    };
    assert!(matches!(broken(|s| s[1].offset = 0), Err(Error::Segment { index: 1, .. })));
    assert!(matches!(broken(|s| s[2].stored_offset = 0), Err(Error::Segment { index: 2, .. })));
    assert!(matches!(broken(|s| s[0].length = 500), Err(Error::Segment { index: 0, .. })));
    assert!(matches!(broken(|s| s[1].stored_length = 1), Err(Error::Segment { index: 1, .. })));
    assert!(matches!(broken(|s| s[1].blake3 = Blake3::of(b"x")), Err(Error::Segment { index: 1, .. })));
    assert!(matches!(broken(|s| s[2].stored_length = 5 * MIB), Err(Error::Segment { index: 2, .. })));
    assert!(matches!(
        broken(|s| {
            s.pop();
        }),
        Err(Error::Coverage { .. })
    ));
    assert!(matches!(broken(Vec::clear), Err(Error::Coverage { .. })));
    let long = laid_out(vec![stored(Encoding::Zstd, 16 * MIB, b"x")]);
    assert!(matches!(Manifest::new(source(), 16 * MIB, long), Err(Error::Segment { index: 0, .. })));
}

#[test]
fn an_unknown_encoding_field_or_version_is_refused_by_name() {
    let json = sample().to_json();
    let refusal = |from: &str, to: &str| {
        assert!(json.contains(from));
        match Manifest::from_json(json.replacen(from, to, 1).as_bytes()) {
            Err(Error::ReadJson(source)) => source.to_string(),
            Err(other) => other.to_string(),
            Ok(_) => String::new(),
        }
    };
    assert!(refusal("\"zstd\"", "\"zstd_patch\"").contains("zstd_patch"));
    assert!(refusal("\"sector_size\"", "\"sectors\"").contains("sectors"));
    assert!(refusal("\"version\": 1", "\"version\": 2").contains("format version 2"));
    assert!(refusal("\"sector_size\": 512", "\"sector_size\": 4096").contains("4096"));
}

#[test]
fn a_segment_knows_its_own_stored_bytes() {
    let bytes = b"pretend this is a frame".to_vec();
    let segment = sample().segments()[2];
    assert_eq!(segment.check(&bytes), Ok(()));
    assert!(matches!(segment.check(&bytes[1..]), Err(super::super::Mismatch::Length { .. })));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(segment.check(&flipped), Err(super::super::Mismatch::Hash { .. })));
    }
}

#[test]
fn the_sizes_add_up() {
    assert_eq!(sample().virtual_size(), 16 * MIB);
    assert_eq!(sample().stored_size(), 512 + 23);
    assert_eq!(sample().data_size(), 512 + 4 * MIB);
}
