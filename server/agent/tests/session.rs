//! The agent's session against a server in this process: trust, token, orders, a server that dies, a disk that is a file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed test panics")]

#[path = "../src/fixture.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fixture;
mod rack;

use std::{io, path::PathBuf, sync::Arc};

use rack::{Heard, Rack, Shared, TOKEN};
use underlay_agent::{
    cmdline::{Mode, Settings},
    deploy::run::Host,
    disk::{Disk, block::Block},
    home::{discover, identity::Key, trust::Trust, work::Session},
    http::Endpoint,
};
use underlay_core::{
    Bytes,
    agent::{Disk as DiskFacts, Inventory, Leave},
};
use underlay_proto::v1::{self, order, report};

/// A host whose one disk is a file.
struct FileHost(PathBuf);

impl Host for FileHost {
    fn inventory(&self) -> Inventory {
        let size = Bytes(std::fs::metadata(&self.0).unwrap().len());
        let disk = DiskFacts {
            name: "vda".into(),
            kind: "virtio".into(),
            size,
            sector: 512,
            ..DiskFacts::default()
        };
        Inventory { serial: Some("ABC".into()), disks: vec![disk], ..Inventory::default() }
    }

    fn open(&self, _: &DiskFacts) -> io::Result<Arc<dyn Disk>> {
        Ok(Arc::new(Block::open(&self.0)?))
    }
}

fn deploy(image: &fixture::Image) -> order::Task {
    order::Task::Deploy(v1::Deploy {
        expected_serial: "ABC".into(),
        manifest_path: "/manifest".into(),
        data_path: "/data".into(),
        manifest_digest: image.manifest.digest().to_string(),
        virtual_size: image.plain.len() as u64,
        seed: vec![0x42; 3000],
        ..v1::Deploy::default()
    })
}

fn blobs(image: &fixture::Image) -> std::collections::BTreeMap<String, Vec<u8>> {
    [("/manifest".into(), image.manifest.encode()), ("/data".into(), image.stored.clone())].into()
}

async fn session(rack: &Rack, disk: &std::path::Path) -> Session {
    let line = format!("{} underlay.token={TOKEN}", rack.command_line("127.0.0.1"));
    let settings = Settings::parse(&line).unwrap();
    let Mode::Deploy { token } = settings.mode else { panic!("not a deploy line") };
    let endpoint = Endpoint(settings.url);
    let trust = Trust::fetch(&endpoint, settings.ca).await.unwrap();
    Session {
        server: settings.api,
        trust,
        key: Key::generate().unwrap(),
        token,
        host: Arc::new(FileHost(disk.to_owned())),
        source: Arc::new(endpoint),
        log: Default::default(),
        quote: Default::default(),
    }
}

fn empty_disk(size: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    file
}

#[tokio::test]
async fn an_order_is_carried_out_and_the_agent_leaves_when_told() {
    let image = fixture::image(fixture::gpt_disk(8 << 20), 1 << 20);
    let rack = Rack::start(Shared::new(blobs(&image), deploy(&image))).await;
    let disk = empty_disk(16 << 20);
    let leave = session(&rack, disk.path()).await.run().await;
    assert_eq!(leave, Leave::PowerOff);
    let report::Stage::Written(written) = rack.hears_the_end().await else { panic!("not written") };
    assert!(written.peak_memory > 0);
    let bytes = std::fs::read(disk.path()).unwrap();
    assert!(bytes[1 << 20..7 << 20] == image.plain[1 << 20..7 << 20]);
    assert!(bytes[14 << 20..][..3000].iter().all(|byte| *byte == 0x42));
}

#[tokio::test]
async fn a_machine_that_waits_says_what_it_is_once_and_goes_on_with_the_token_it_is_given() {
    let image = fixture::image(fixture::gpt_disk(8 << 20), 1 << 20);
    let rack = Rack::start(Shared::new(blobs(&image), deploy(&image))).await;
    let disk = empty_disk(16 << 20);
    let mut session = session(&rack, disk.path()).await;
    let boot = "52:54:00:00:00:01".parse().unwrap();
    session.token = discover::run(session.server, &session.trust, boot, &*session.host).await.unwrap();
    assert_eq!(session.run_until_refused().await, Some(Leave::PowerOff));
    let heard = rack.shared.heard.lock().unwrap();
    let reports: Vec<_> = heard
        .iter()
        .filter_map(|(_, heard)| match heard {
            Heard::Discovered(request) => Some((request.inventory.is_some(), request.wait_seconds > 0)),
            _ => None,
        })
        .collect();
    assert_eq!(reports, [(true, true), (false, true)]);
}

#[tokio::test]
async fn a_token_that_is_void_is_no_reason_to_knock_for_ever() {
    let image = fixture::image(fixture::gpt_disk(8 << 20), 1 << 20);
    let rack = Rack::start(Shared::new(blobs(&image), deploy(&image))).await;
    let disk = empty_disk(16 << 20);
    let session = Session { token: "void".to_owned().into(), ..session(&rack, disk.path()).await };
    assert_eq!(session.run_until_refused().await, None);
}

#[tokio::test]
async fn a_server_that_dies_while_the_disk_is_written_finds_the_same_work_going_on() {
    let image = fixture::image(fixture::gpt_disk(8 << 20), 256 << 10);
    let rack = Rack::start(Shared::new(blobs(&image), deploy(&image))).await;
    rack.shared.stalled.send_replace(true);
    let disk = empty_disk(16 << 20);
    // The first segment is read ahead of the write, in an answer of its own.
    let running = tokio::spawn(session(&rack, disk.path()).await.run());
    rack.hears(|heard| match heard {
        Heard::Report(report::Stage::Writing(writing)) if writing.done > 0 => Some(()),
        _ => None,
    })
    .await;

    let (shared, http, api) = rack.kill().await;
    let rack = Rack::start_at(shared, http, api).await;
    rack.hears(|heard| matches!(heard, Heard::Hello(_)).then_some(())).await;
    rack.shared.stalled.send_replace(false);
    let end = rack.hears_the_end().await;
    assert!(matches!(end, report::Stage::Written(_)), "{end:?}");
    assert_eq!(running.await.unwrap(), Leave::PowerOff);
    let heard = rack.shared.heard.lock().unwrap();
    let began_again =
        heard.iter().any(|(_, heard)| matches!(heard, Heard::Report(report::Stage::Checking(_))));
    assert!(!began_again, "the work went on and did not start again: {heard:?}");
    assert!(std::fs::read(disk.path()).unwrap()[1 << 20..7 << 20] == image.plain[1 << 20..7 << 20]);
}

#[tokio::test]
async fn an_order_of_another_epoch_is_not_obeyed() {
    let image = fixture::image(fixture::gpt_disk(8 << 20), 1 << 20);
    let mut shared = Shared::new(blobs(&image), deploy(&image));
    Arc::get_mut(&mut shared).unwrap().foreign_epoch = Some(2);
    let rack = Rack::start(shared).await;
    let disk = empty_disk(16 << 20);
    session(&rack, disk.path()).await.run().await;
    assert!(
        matches!(rack.hears_the_end().await, report::Stage::Written(_)),
        "the foreign order to leave was refused"
    );
}

#[tokio::test]
async fn the_wrong_host_reports_a_failure_and_its_disk_stays_as_it_was() {
    let image = fixture::image(fixture::gpt_disk(8 << 20), 1 << 20);
    let order::Task::Deploy(order) = deploy(&image) else { panic!() };
    let order = order::Task::Deploy(v1::Deploy { expected_serial: "ABD".into(), ..order });
    let rack = Rack::start(Shared::new(blobs(&image), order)).await;
    let disk = empty_disk(16 << 20);
    let running = tokio::spawn(session(&rack, disk.path()).await.run());
    let report::Stage::Failed(failed) = rack.hears_the_end().await else { panic!("not failed") };
    assert!(!failed.touched_disk && !failed.blames_host);
    assert!(failed.failure.unwrap().why.contains("ABD"));
    assert!(std::fs::read(disk.path()).unwrap().iter().all(|byte| *byte == 0));
    running.abort();
}
