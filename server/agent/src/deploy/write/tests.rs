//! Writing an image: whole and verified over cut connections, flipped bits and failing disks, within its memory.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::{
    disk::{block::Block, fake::Fake as FakeDisk},
    fixture::{self, Image},
    source::fake::{Fake, Fault},
};

const MEBIBYTE: usize = 1 << 20;

fn image() -> Image {
    fixture::image(fixture::gpt_disk(12 * MEBIBYTE), 256 << 10)
}

async fn write_to(
    disk: Arc<FakeDisk>,
    image: &Image,
    faults: impl IntoIterator<Item = Fault>,
) -> (Result<u64, Error>, Fake) {
    let source = Fake::new([("/data", image.stored.clone())]).failing(faults);
    let disk: Arc<dyn Disk> = disk;
    let manifest = Arc::new(image.manifest.clone());
    let result = write(&manifest, Data { source: &source, path: "/data" }, &disk, &mut |_| {}).await;
    (result, source)
}

#[tokio::test]
async fn the_disk_reads_like_the_image_and_nothing_behind_it_changes() {
    let image = image();
    let disk = Arc::new(FakeDisk::new(13 * MEBIBYTE));
    let (written, source) = write_to(disk.clone(), &image, []).await;
    assert_eq!(written.unwrap(), image.manifest.data_size());
    let bytes = disk.bytes();
    assert!(bytes[..image.plain.len()] == image.plain);
    assert!(bytes[image.plain.len()..].iter().all(|byte| *byte == 0xa5));
    assert_eq!(source.opened(), [("/data".to_owned(), 0)], "one long read");
}

#[tokio::test]
async fn a_file_in_place_of_a_disk_is_written_the_same() {
    let image = image();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![0x5a; 13 * MEBIBYTE]).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(Block::open(file.path()).unwrap());
    let source = Fake::new([("/data", image.stored.clone())]);
    let manifest = Arc::new(image.manifest.clone());
    write(&manifest, Data { source: &source, path: "/data" }, &disk, &mut |_| {}).await.unwrap();
    disk.sync().unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    assert!(bytes[..image.plain.len()] == image.plain);
    assert!(bytes[image.plain.len()..].iter().all(|byte| *byte == 0x5a));
}

#[tokio::test(start_paused = true)]
async fn a_connection_cut_anywhere_is_read_on_without_writing_twice() {
    let image = image();
    let length = image.stored.len() as u64;
    for cut in (0..40).map(|step| step * length / 40).chain([1, length - 1, length]) {
        for fault in [Fault::Cut(cut), Fault::Short(cut)] {
            let disk = Arc::new(FakeDisk::new(12 * MEBIBYTE));
            let (written, source) = write_to(disk.clone(), &image, [fault]).await;
            assert_eq!(written.unwrap(), image.manifest.data_size(), "{fault:?}");
            assert!(disk.bytes() == image.plain, "{fault:?}");
            assert_eq!(disk.writes().len(), image.manifest.segments().len(), "each segment once, {fault:?}");
            if let [(_, 0), (_, again)] = source.opened().as_slice() {
                let begins = image.manifest.segments().iter().any(|segment| segment.stored_offset == *again);
                assert!(begins && *again <= cut, "read on from {again} after {fault:?}");
            } else {
                assert_eq!(cut, length, "{:?}", source.opened());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_faults_in_a_row_are_survived_while_there_is_progress() {
    let image = image();
    let disk = Arc::new(FakeDisk::new(12 * MEBIBYTE));
    let faults = (0..200).map(|turn| if turn % 3 == 0 { Fault::Away } else { Fault::Cut(700_000) });
    let (written, _) = write_to(disk.clone(), &image, faults).await;
    written.unwrap();
    assert!(disk.bytes() == image.plain);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_is_given_up_on() {
    let image = image();
    let disk = Arc::new(FakeDisk::new(12 * MEBIBYTE));
    let began = Instant::now();
    let (result, _) = write_to(disk.clone(), &image, std::iter::repeat_n(Fault::Away, 100_000)).await;
    let error = result.unwrap_err();
    assert!(
        matches!(error, Error::FetchData(_)) && error.kind() == ErrorKind::Transient && !error.blames_host()
    );
    assert!(began.elapsed() > GIVE_UP && began.elapsed() < GIVE_UP * 2);
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_is_always_found_and_never_written() {
    let image = image();
    let length = image.stored.len() as u64;
    for at in (0..60).map(|step| step * (length - 1) / 59) {
        let disk = Arc::new(FakeDisk::new(12 * MEBIBYTE));
        let (written, _) = write_to(disk.clone(), &image, [Fault::Flip(at)]).await;
        written.unwrap();
        assert!(disk.bytes() == image.plain, "bit at {at}");
        assert_eq!(
            disk.writes().len(),
            image.manifest.segments().len(),
            "the bad segment was not written first"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_stays_corrupt_ends_it_without_blame_for_the_host() {
    let image = image();
    let segment = image.manifest.segments()[20];
    assert!(segment.stored_length > 0);
    let disk = Arc::new(FakeDisk::new(12 * MEBIBYTE));
    let (result, _) =
        write_to(disk.clone(), &image, std::iter::repeat_n(Fault::Flip(segment.stored_offset), 100)).await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)) && !error.blames_host(), "{error}");
    let touched =
        |(offset, length): &(u64, usize)| *offset < segment.end() && offset + *length as u64 > segment.offset;
    assert!(!disk.writes().iter().any(touched), "no byte of it was written");
}

#[tokio::test]
async fn a_disk_that_refuses_a_write_ends_it_and_is_blamed() {
    let image = image();
    for bad in [0, 5 * MEBIBYTE as u64 + 77] {
        let disk = Arc::new(FakeDisk::new(12 * MEBIBYTE).failing_at(bad));
        let (result, _) = write_to(disk, &image, []).await;
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Write { .. }) && error.blames_host(), "{error}");
        assert_eq!(error.kind(), ErrorKind::Permanent);
    }
}

#[tokio::test]
async fn stored_bytes_that_hash_right_but_do_not_decode_are_refused() {
    let mut segment = image().manifest.segments()[5];
    let garbage = vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3];
    segment.encoding = Encoding::Zstd;
    (segment.offset, segment.stored_offset) = (0, 0);
    (segment.stored_length, segment.blake3) =
        (garbage.len() as u64, underlay_core::image::Blake3::of(&garbage));
    let source = image().manifest.source_sha256();
    let manifest = Manifest::new(source, segment.length, vec![segment]).unwrap();
    let disk = Arc::new(FakeDisk::new(MEBIBYTE));
    let (result, _) =
        write_to(disk.clone(), &Image { plain: Vec::new(), stored: garbage, manifest }, []).await;
    assert!(matches!(result, Err(Error::Decode { .. })));
    assert!(disk.writes().is_empty());
}

#[tokio::test]
async fn progress_counts_every_byte_once_and_ends_at_all_of_them() {
    let image = image();
    let source = Fake::new([("/data", image.stored.clone())]);
    let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new(12 * MEBIBYTE));
    let last = AtomicU64::new(0);
    let mut rising = |done| assert!(last.swap(done, Ordering::SeqCst) < done);
    let manifest = Arc::new(image.manifest.clone());
    write(&manifest, Data { source: &source, path: "/data" }, &disk, &mut rising).await.unwrap();
    assert_eq!(last.into_inner(), image.manifest.virtual_size());
}

#[test]
fn buffers_stay_within_their_budget_whatever_the_segments_are() {
    let of = |length: usize, noise: bool, cpus| {
        let mut plain = vec![1; length];
        if noise {
            ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut plain).unwrap();
        }
        let manifest = fixture::image(plain, length).manifest;
        let plain = if noise { 0 } else { length };
        (Shape::of(&manifest, cpus), plain)
    };
    for length in [512, 1 << 20, 4 << 20, 8 << 20] {
        for noise in [false, true] {
            for cpus in [1, 2, 64] {
                let (shape, plain) = of(length, noise, cpus);
                let bytes = shape.buffers * shape.stored + shape.workers * plain;
                assert!(bytes <= BUDGET, "{length} {noise} {cpus}: {shape:?}");
                assert!(
                    shape.workers >= 1 && shape.workers <= cpus + 1 && shape.buffers > shape.workers,
                    "{shape:?}"
                );
            }
        }
    }
}
