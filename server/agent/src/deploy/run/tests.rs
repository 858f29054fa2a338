//! A deployment from order to report: nothing is touched before every check has passed, and what was touched is said.

use std::sync::Mutex;

use tokio::sync::watch;
use underlay_core::{Bytes, Failure, agent::ExpectedIdentity, machine::RootHint};

use super::*;
use crate::{
    disk::fake::Fake as FakeDisk,
    fixture::{self, Image},
    source::fake::{Fake, Fault},
};

const MEBIBYTE: u64 = 1 << 20;

/// A host with scripted facts and disks; it remembers which disk was opened.
struct FakeHost {
    inventory: Inventory,
    disk: Arc<FakeDisk>,
    opened: Mutex<Vec<String>>,
}

impl Host for FakeHost {
    fn inventory(&self) -> Inventory {
        self.inventory.clone()
    }

    fn open(&self, disk: &DiskFacts) -> io::Result<Arc<dyn Disk>> {
        self.opened.lock().unwrap().push(disk.name.clone());
        Ok(self.disk.clone())
    }
}

fn host(mebibytes: u64, disks: usize) -> FakeHost {
    let disk = |index| DiskFacts {
        name: format!("vd{index}"),
        kind: "virtio".into(),
        size: Bytes(mebibytes * MEBIBYTE),
        sector: 512,
        ..DiskFacts::default()
    };
    FakeHost {
        inventory: Inventory {
            serial: Some("ABC".into()),
            disks: (0..disks).map(disk).collect(),
            ..Inventory::default()
        },
        disk: Arc::new(FakeDisk::new((mebibytes * MEBIBYTE) as usize)),
        opened: Mutex::default(),
    }
}

fn image() -> Image {
    fixture::image(fixture::gpt_disk(8 << 20), 256 << 10)
}

fn order(image: &Image) -> Deploy {
    Deploy {
        identity: ExpectedIdentity { serial: Some("ABC".into()), ..ExpectedIdentity::default() },
        root: RootHint::default(),
        manifest_path: "/manifest".into(),
        data_path: "/data".into(),
        manifest_digest: image.manifest.digest().to_string(),
        virtual_size: Bytes(image.plain.len() as u64),
        seed: vec![0x42; 3000].into(),
    }
}

fn server(image: &Image) -> Fake {
    Fake::new([("/manifest", image.manifest.encode()), ("/data", image.stored.clone())])
}

async fn last_stage(order: &Deploy, host: &FakeHost, source: &Fake) -> Stage {
    let (stages, seen) = watch::channel(None);
    run(order, host, source, Progress::new(stages)).await;
    seen.borrow().clone().unwrap()
}

async fn refusal(order: &Deploy, host: &FakeHost, source: &Fake) -> Failure {
    let Stage::Failed { failure, touched_disk } = last_stage(order, host, source).await else {
        panic!("it did not fail")
    };
    assert_eq!(touched_disk, Touched::No);
    assert!(
        host.disk.writes().is_empty() && host.opened.lock().unwrap().is_empty(),
        "nothing was written or opened"
    );
    assert!(!failure.blames_host, "{failure}");
    failure
}

#[tokio::test]
async fn the_disk_holds_image_and_seed_and_the_report_says_so() {
    let image = image();
    for manifest in [image.manifest.encode(), image.manifest.to_json().into_bytes()] {
        let host = host(16, 1);
        let source = Fake::new([("/manifest", manifest), ("/data", image.stored.clone())]);
        let Stage::Written { disk, written, peak_memory, .. } =
            last_stage(&order(&image), &host, &source).await
        else {
            panic!("not written")
        };
        assert_eq!(disk, "vd0");
        assert!(written > image.manifest.data_size() && peak_memory > 0);
        let bytes = host.disk.bytes();
        assert!(bytes[1 << 20..7 << 20] == image.plain[1 << 20..7 << 20]);
        assert!(bytes[14 << 20..][..3000].iter().all(|byte| *byte == 0x42));
    }
}

#[tokio::test]
async fn the_wrong_host_is_not_touched() {
    let image = image();
    let order = Deploy {
        identity: ExpectedIdentity { serial: Some("ABD".into()), ..Default::default() },
        ..order(&image)
    };
    let failure = refusal(&order, &host(16, 1), &server(&image)).await;
    assert!(failure.why.contains("ABD") && failure.why.contains("ABC"), "{failure}");
}

#[tokio::test]
async fn two_disks_that_fit_are_both_left_alone() {
    let image = image();
    let failure = refusal(&order(&image), &host(16, 2), &server(&image)).await;
    assert_eq!(failure.attribute.as_deref(), Some("root"));
    assert!(failure.why.contains("vd0") && failure.why.contains("vd1"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_host_without_disks_is_looked_at_for_a_while_and_then_refused() {
    let image = image();
    let began = tokio::time::Instant::now();
    let failure = refusal(&order(&image), &host(16, 0), &server(&image)).await;
    assert!(began.elapsed() >= LATE_DISKS && failure.why.contains("no disk at all"), "{failure}");
}

#[tokio::test]
async fn a_disk_too_small_for_image_or_seed_is_not_touched() {
    let image = image();
    let failure = refusal(&order(&image), &host(7, 1), &server(&image)).await;
    assert!(failure.why.contains("7"), "{failure}");
    let failure = refusal(&order(&image), &host(8, 1), &server(&image)).await;
    assert!(failure.why.contains("the seed"), "{failure}");
}

#[tokio::test]
async fn a_manifest_that_does_not_hash_to_the_orders_digest_is_refused() {
    let image = image();
    let other = fixture::image(fixture::mbr_disk(8 << 20, 1), 256 << 10);
    for manifest in
        [other.manifest.encode(), other.manifest.to_json().into_bytes(), Vec::new(), b"{".to_vec()]
    {
        let source = Fake::new([("/manifest", manifest), ("/data", image.stored.clone())]);
        refusal(&order(&image), &host(16, 1), &source).await;
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused() {
    let image = image();
    let source = Fake::new([("/manifest", image.manifest.encode())]);
    let failure = refusal(&order(&image), &host(16, 1), &source).await;
    assert!(failure.why.contains("404"), "{failure}");
}

#[tokio::test]
async fn an_mbr_without_a_free_slot_is_refused_before_anything_is_written() {
    let image = fixture::image(fixture::mbr_disk(8 << 20, 4), 256 << 10);
    let failure = refusal(&order(&image), &host(16, 1), &server(&image)).await;
    assert!(failure.why.contains("four primary"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_first_segment_that_is_cut_off_is_fetched_again_before_anything_is_written() {
    let image = image();
    let host = host(16, 1);
    let source = server(&image).failing([Fault::Away, Fault::Cut(3)]);
    assert!(matches!(last_stage(&order(&image), &host, &source).await, Stage::Written { .. }));
}

#[tokio::test]
async fn a_disk_that_fails_is_blamed_and_known_to_be_touched() {
    let image = image();
    for bad in [5 << 20, 14 << 20] {
        let mut host = host(16, 1);
        host.disk = Arc::new(FakeDisk::new(16 << 20).failing_at(bad));
        let Stage::Failed { failure, touched_disk } =
            last_stage(&order(&image), &host, &server(&image)).await
        else {
            panic!("it did not fail")
        };
        assert!(failure.blames_host && touched_disk == Touched::Yes, "{failure}");
    }
}
