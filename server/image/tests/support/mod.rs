//! What the tests of imports share: a store in a temporary directory, disks to import, and a way to read them back.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{io::Write, path::Path, sync::Once, time::Duration};

use sha2::{Digest, Sha256 as Hasher};
use underlay_image::{
    Encoding, Fetcher, Image, Importer, Limits, Sha256, Source, Store, fetch, import, local::LocalRoot,
    progress, segment,
};

/// A store of its own, and an importer into it.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub importer: Importer,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).await.unwrap();
        let importer = Importer::new(store.clone(), fetcher(), limits);
        Self { dir, store, importer }
    }

    /// Imports `bytes` as an upload under their right checksum.
    pub async fn import(&self, bytes: &[u8]) -> Result<Image, import::Error> {
        self.import_as(bytes, sha256(bytes)).await
    }

    pub async fn import_as(&self, bytes: &[u8], sha256: Sha256) -> Result<Image, import::Error> {
        let source = Source::Upload(Box::new(std::io::Cursor::new(bytes.to_vec())));
        self.importer.import(source, sha256, progress::channel().0).await
    }

    /// Imports the file at `path`, which lies in the bench's directory.
    pub async fn import_file(&self, path: &Path) -> Result<Image, import::Error> {
        let sha256 = sha256(&std::fs::read(path).unwrap());
        let file = LocalRoot::open(self.dir.path()).unwrap().file(path).unwrap();
        self.importer.import(Source::File(file), sha256, progress::channel().0).await
    }

    pub async fn import_url(&self, url: &str, sha256: Sha256) -> Result<Image, import::Error> {
        self.importer.import(Source::Url(url.parse().unwrap()), sha256, progress::channel().0).await
    }

    /// Nothing is published and nothing is left of what was tried.
    pub async fn assert_empty(&self) {
        assert_eq!(self.store.list().await.unwrap(), []);
        assert_eq!(leftovers(&self.dir.path().join("store")), 0);
    }
}

pub fn leftovers(store: &Path) -> usize {
    std::fs::read_dir(store.join("tmp")).unwrap().count()
}

/// A fetcher that does not make tests wait.
pub fn fetcher() -> Fetcher {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let options = fetch::Options {
        attempts: 3,
        pause: Duration::from_millis(1),
        idle_timeout: Duration::from_secs(5),
        ..fetch::Options::default()
    };
    Fetcher::new(options).unwrap()
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(Hasher::digest(bytes).into())
}

/// What a disk would read like after `image` was written to it, as an agent does it.
pub async fn reassemble(image: &Image) -> Vec<u8> {
    let (mut disk, mut out) = (Vec::new(), Vec::new());
    for part in image.manifest().segments() {
        if part.encoding == Encoding::Hole {
            disk.resize(disk.len() + part.length as usize, 0);
            continue;
        }
        let stored = image.read_range(part.stored_offset, part.stored_length).await.unwrap();
        segment::decode(part, &stored, &mut out).unwrap();
        disk.extend_from_slice(&out);
    }
    disk
}

/// `bytes`, with zeros up to a whole sector.
pub fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(512), 0);
    padded
}

/// A disk of runs: (what, how many 4 KiB blocks), what being 0 or 1 for zeros, 2 for text, else noise.
pub fn disk(runs: &[(u8, usize)], tail: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, (what, blocks)) in runs.iter().enumerate() {
        let length = blocks * 4096;
        match what {
            0 | 1 => bytes.resize(bytes.len() + length, 0),
            2 => bytes.extend(b"underlay ".iter().cycle().take(length)),
            _ => {
                let from = bytes.len();
                bytes.resize(from + length, 0);
                let mut hasher = blake3::Hasher::new();
                hasher.update(&index.to_le_bytes());
                hasher.finalize_xof().fill(&mut bytes[from..]);
            }
        }
    }
    // Not to be taken for anything else but a disk.
    bytes.extend(std::iter::repeat_n(0x55, tail));
    bytes
}

/// Twelve megabytes of everything.
pub fn sample_disk() -> Vec<u8> {
    disk(&[(2, 3), (3, 700), (0, 900), (2, 500), (0, 10), (3, 20), (0, 1000)], 700)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Runs `qemu-img`, to make test images and never to read one. False where there is none; under CI that is a failure.
pub fn qemu_img(arguments: &[&str]) -> bool {
    let run = std::process::Command::new("qemu-img").args(arguments).output();
    match run {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(_) => {
            assert!(std::env::var_os("CI").is_none(), "qemu-img is needed under CI");
            eprintln!("skipped: no qemu-img here");
            false
        }
    }
}
