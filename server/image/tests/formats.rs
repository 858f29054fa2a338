//! Every format that is taken comes out as the disk that went in; every other is refused by name, and damage is found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

mod support;

use proptest::prelude::*;
use support::{Bench, disk, gzip, padded, qemu_img, reassemble, sample_disk, sha256, xz, zst};
use underlay_image::{
    Encoding, Limits,
    detect::{Compression, Refused},
    import::Error,
};

type Packer = fn(&[u8]) -> Vec<u8>;
const PACKERS: [(&str, Packer); 4] = [("raw", <[u8]>::to_vec), ("gzip", gzip), ("xz", xz), ("zstd", zst)];

#[tokio::test]
async fn a_raw_disk_comes_out_as_it_went_in_however_it_was_packed() {
    let disk = sample_disk();
    let mut digests = Vec::new();
    for (name, pack) in PACKERS {
        let bench = Bench::new().await;
        let source = pack(&disk);
        let image = bench.import(&source).await.unwrap();
        assert_eq!(image.id(), sha256(&source));
        assert!(reassemble(&image).await == padded(&disk), "{name}");
        bench.store.verify(image.id()).await.unwrap();
        digests.push(image.manifest().segments().to_vec());
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "the same disk has the same segments");
}

#[tokio::test]
async fn the_manifest_of_a_known_disk_is_the_golden_one() {
    let bench = Bench::new().await;
    // Noise and holes only: another zstd may well pack text otherwise.
    let image = bench.import(&disk(&[(3, 2), (0, 2000), (3, 2)], 0)).await.unwrap();
    assert_eq!(image.manifest().to_json(), include_str!("golden.json"));
}

#[tokio::test]
async fn holes_are_not_stored_and_noise_is_stored_as_it_is() {
    let bench = Bench::new().await;
    let image = bench.import(&disk(&[(0, 4096), (3, 1024), (0, 4096)], 0)).await.unwrap();
    let shape: Vec<_> = image
        .manifest()
        .segments()
        .iter()
        .map(|s| (s.encoding, s.length >> 20, s.stored_length >> 20))
        .collect();
    assert_eq!(shape, [(Encoding::Hole, 16, 0), (Encoding::Raw, 4, 4), (Encoding::Hole, 16, 0)]);
    assert_eq!(image.data_length(), 4 << 20);
}

#[tokio::test]
async fn every_qcow2_that_qemu_makes_reads_as_its_disk() {
    let bench = Bench::new().await;
    let disk = padded(&sample_disk());
    let path = |name: &str| bench.dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("disk.raw"), &disk).unwrap();
    for (name, options) in [
        ("v3", "compat=1.1"),
        ("v2", "compat=0.10"),
        ("small", "cluster_size=512"),
        ("large", "cluster_size=2M"),
        ("lazy", "lazy_refcounts=on"),
        ("preallocated", "preallocation=metadata"),
        ("deflate -c", "compat=1.1"),
        ("deflate2 -c", "compat=0.10,cluster_size=4k"),
        ("zstd -c", "compression_type=zstd"),
        ("zstd2 -c", "compression_type=zstd,cluster_size=2M"),
    ] {
        let target = path(name);
        let mut arguments = vec!["convert", "-f", "raw", "-O", "qcow2", "-o", options];
        arguments.extend(name.ends_with("-c").then_some("-c"));
        arguments.extend([path("disk.raw").leak() as &str, target.as_str()]);
        if !qemu_img(&arguments) {
            return;
        }
        let image = bench.import_file(target.as_ref()).await.unwrap();
        assert!(reassemble(&image).await == disk, "{name}");
        let packed = bench.import(&zst(&std::fs::read(&target).unwrap())).await.unwrap();
        assert_eq!(packed.manifest().segments(), image.manifest().segments(), "{name} in zstd");
    }
}

#[tokio::test]
async fn a_qcow2_with_a_backing_file_an_external_data_file_or_encryption_is_refused() {
    let bench = Bench::new().await;
    let path = |name: &str| bench.dir.path().join(name).to_str().unwrap().to_owned();
    let data_file = format!("data_file={},data_file_raw=on", path("data.raw"));
    let makes: [(&str, Vec<&str>); 4] = [
        ("backing file", vec!["-b", "/etc/hostname", "-F", "raw"]),
        ("external data file", vec!["-o", &data_file]),
        ("subclusters", vec!["-o", "extended_l2=on"]),
        // AES, not LUKS: LUKS times its key derivation by the CPU clock, which some virtual machines tell too coarsely.
        (
            "encryption",
            vec!["--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"],
        ),
    ];
    for (name, options) in makes {
        let target = path(name);
        let mut arguments = vec!["create", "-q", "-f", "qcow2"];
        arguments.extend(options);
        arguments.extend([target.as_str(), "1M"]);
        if !qemu_img(&arguments) {
            return;
        }
        let error = bench.import_file(target.as_ref()).await.unwrap_err();
        assert!(error.to_string().contains(name), "{error} should name {name}");
    }
    bench.assert_empty().await;
}

#[tokio::test]
async fn what_is_no_disk_is_refused_by_name_packed_or_not() {
    let bench = Bench::new().await;
    let mut iso = vec![0; 40 << 10];
    iso[32769..32774].copy_from_slice(b"CD001");
    let mut kernel = vec![0; 4096];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    for (bytes, name) in [
        (iso, "ISO 9660"),
        (kernel, "Linux kernel"),
        (b"hsqs....".to_vec(), "squashfs"),
        (b"<html>".to_vec(), "web page"),
    ] {
        for (_, pack) in PACKERS {
            let error = bench.import(&pack(&bytes)).await.unwrap_err();
            assert!(
                matches!(error, Error::Refused(Refused(_))) && error.to_string().contains(name),
                "{error}"
            );
        }
    }
    let twice = bench.import(&gzip(&zst(b"disk"))).await.unwrap_err();
    assert!(matches!(twice, Error::Nested { outer: Compression::Gzip, inner: Compression::Zstd }));
    for nothing in [Vec::new(), gzip(&[]), zst(&[]), xz(&[])] {
        assert!(matches!(bench.import(&nothing).await, Err(Error::Empty)));
    }
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_fills_anything() {
    let limits = Limits { source: 1 << 20, virtual_size: 8 << 20 };
    let bench = Bench::with(limits).await;
    let bomb = vec![0; 64 << 20];
    for pack in [gzip, xz, zst] {
        let error = bench.import(&pack(&bomb)).await.unwrap_err();
        assert!(matches!(error, Error::DiskTooLarge { limit } if limit == 8 << 20), "{error}");
    }
    let mut staged = b"QFI\xfb".to_vec();
    staged.resize(64 << 20, 0);
    let error = bench.import(&zst(&staged)).await.unwrap_err();
    assert!(matches!(error, Error::DiskTooLarge { .. }), "{error}");
    let error = bench.import(&bomb[..2 << 20]).await.unwrap_err();
    assert!(matches!(error, Error::SourceTooLarge { .. }), "{error}");
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_source_cut_short_anywhere_is_a_wrong_checksum_whatever_its_packing() {
    let bench = Bench::new().await;
    let disk = disk(&[(2, 20), (0, 30), (3, 20)], 0);
    for (name, pack) in PACKERS {
        let source = pack(&disk);
        for length in (1..source.len()).step_by(source.len() / 23 + 1).chain([source.len() - 1]) {
            let error = bench.import_as(&source[..length], sha256(&source)).await.unwrap_err();
            assert!(matches!(error, Error::WrongChecksum { .. }), "{name} cut at {length}: {error}");
        }
    }
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_packed_disk_published_damaged_is_told_apart_from_a_wrong_checksum() {
    let bench = Bench::new().await;
    let disk = disk(&[(2, 20), (3, 20)], 0);
    for pack in [gzip, xz, zst] {
        let source = pack(&disk);
        let error = bench.import(&source[..source.len() - 1]).await.unwrap_err();
        assert!(matches!(error, Error::Unpack { .. }), "{error}");
    }
    bench.assert_empty().await;
}

#[tokio::test]
async fn every_flipped_bit_of_a_source_is_found() {
    let bench = Bench::new().await;
    let disk = disk(&[(2, 2), (0, 20), (3, 1)], 0);
    for (name, pack) in PACKERS {
        let source = pack(&disk);
        for bit in (0..source.len() * 8).step_by(source.len() * 8 / 61 + 1) {
            let mut flipped = source.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = bench.import_as(&flipped, sha256(&source)).await.unwrap_err();
            assert!(
                matches!(error, Error::WrongChecksum { .. } | Error::Refused(_)),
                "{name} bit {bit}: {error}"
            );
        }
    }
    bench.assert_empty().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_sparse_disk_comes_out_as_it_went_in(
        runs in prop::collection::vec((0_u8..4, 1_usize..600), 1..10),
        tail in 0_usize..1024,
        packer in 0_usize..PACKERS.len(),
    ) {
        // Text first, so that noise is never taken for a format.
        let disk = [disk(&[(2, 9)], 0), disk(&runs, tail)].concat();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let same = runtime.block_on(async {
            let bench = Bench::new().await;
            let image = bench.import(&PACKERS[packer].1(&disk)).await.unwrap();
            reassemble(&image).await == padded(&disk)
        });
        prop_assert!(same);
    }
}
