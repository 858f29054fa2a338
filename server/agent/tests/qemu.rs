//! The real thing: kernel and ramdisk booted by QEMU (no KVM, no root), DHCP from its user network, an image on its disk.
//!
//! Needs `qemu-system-x86_64` and a ramdisk: `UNDERLAY_RAMDISK` names the folder that `underlay ramdisk build` filled.
//! Without them it says so and passes; under `CI=true` it fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failed test panics")]

#[path = "../src/fixture.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fixture;
mod rack;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rack::{Heard, Rack, Shared, TOKEN};
use tokio::process::{Child, Command};
use underlay_proto::v1::{self, order, report};

const UUID: &str = "5e1f0000-0000-4000-8000-00000000000a";
const MAC: &str = "52:54:00:00:00:0a";

/// The ramdisk's folder, or why there is none.
fn ramdisk() -> Result<PathBuf, String> {
    let folder =
        std::env::var_os("UNDERLAY_RAMDISK").map(PathBuf::from).ok_or("UNDERLAY_RAMDISK is not set")?;
    let there = |name: &str| folder.join(name).exists();
    if !there("vmlinuz") || !there("initrd") {
        return Err(format!("{} has no vmlinuz and initrd", folder.display()));
    }
    let found = std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths).any(|path| path.join("qemu-system-x86_64").exists())
    });
    found.then_some(folder).ok_or_else(|| "qemu-system-x86_64 is not installed".into())
}

/// `None` after saying why this test does not run here.
fn ramdisk_or_skip() -> Option<PathBuf> {
    match ramdisk() {
        Ok(folder) => Some(folder),
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must run this, but {why}");
            eprintln!("skipped: {why}");
            None
        }
    }
}

fn machine(ramdisk: &Path, memory: &str, disk: Option<&Path>, words: &str) -> Child {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", memory]);
    qemu.args([
        "-display",
        "none",
        "-vga",
        "none",
        "-monitor",
        "none",
        "-nodefaults",
        "-no-reboot",
        "-serial",
        "stdio",
    ]);
    qemu.args(["-uuid", UUID, "-smbios", &format!("type=1,serial=TEST-1,uuid={UUID}")]);
    qemu.arg("-kernel").arg(ramdisk.join("vmlinuz")).arg("-initrd").arg(ramdisk.join("initrd"));
    qemu.args(["-append", &format!("console=ttyS0 quiet panic=5 underlay.mac={MAC} {words}")]);
    qemu.args(["-netdev", "user,id=n0", "-device", &format!("virtio-net-pci,netdev=n0,mac={MAC}")]);
    if let Some(disk) = disk {
        qemu.arg("-drive").arg(format!("id=d0,if=none,format=raw,cache=unsafe,file={}", disk.display()));
        qemu.args(["-device", "virtio-blk-pci,drive=d0,serial=DISK-1,addr=08.0"]);
    }
    qemu.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// Boots, deploys a small image, waits for the power to go off, and compares the disk.
async fn deploys(memory: &str) {
    let Some(ramdisk) = ramdisk_or_skip() else { return };
    let image = fixture::image(fixture::gpt_disk(256 << 20), 4 << 20);
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(320 << 20).unwrap();
    let order = order::Task::Deploy(v1::Deploy {
        expected_serial: "TEST-1".into(),
        expected_uuid: UUID.into(),
        expected_mac: MAC.into(),
        root_serial: "DISK-1".into(),
        root_by_path: "pci-0000:00:08.0".into(),
        manifest_path: "/manifest".into(),
        data_path: "/data".into(),
        manifest_digest: image.manifest.digest().to_string(),
        virtual_size: image.plain.len() as u64,
        seed: vec![0x42; 300_000],
        ..v1::Deploy::default()
    });
    let blobs =
        [("/manifest".into(), image.manifest.encode()), ("/data".into(), image.stored.clone())].into();
    let rack = Rack::start(Shared::new(blobs, order)).await;
    let words = format!("{} underlay.token={TOKEN}", rack.command_line("10.0.2.2"));
    let began = Instant::now();
    let mut machine = machine(&ramdisk, memory, Some(disk.path()), &words);
    let hello = rack
        .hears(|heard| match heard {
            Heard::Hello(hello) => Some(hello.clone()),
            _ => None,
        })
        .await;
    eprintln!("{memory} MB: hello {:.1} s after power on", began.elapsed().as_secs_f64());
    let end = rack.hears_the_end().await;
    let report::Stage::Written(written) = end else { panic!("{end:?}") };
    let seconds = written.elapsed_ms as f64 / 1000.0;
    let rate = image.plain.len() as f64 / 1e6 / seconds;
    eprintln!(
        "{memory} MB: {} bytes written in {seconds:.1} s, {rate:.0} MB of image a second, peak {} bytes",
        written.written, written.peak_memory
    );
    let off = tokio::time::timeout(Duration::from_secs(60), machine.wait())
        .await
        .expect("the machine goes off")
        .unwrap();
    assert!(off.success());

    let inventory = hello.inventory.unwrap();
    assert_eq!(
        (inventory.serial.as_str(), inventory.uuid.as_str(), inventory.firmware.as_str()),
        ("TEST-1", UUID, "bios")
    );
    assert_eq!(
        (inventory.nics[0].mac.as_str(), inventory.nics[0].boot, inventory.nics[0].link),
        (MAC, true, true)
    );
    assert_eq!(inventory.nics[0].addresses.first().map(String::as_str), Some("10.0.2.15"));
    let facts = &inventory.disks[0];
    assert_eq!(
        (facts.by_path.as_str(), facts.serial.as_str(), facts.kind.as_str()),
        ("pci-0000:00:08.0", "DISK-1", "virtio")
    );

    assert!(written.peak_memory <= 64 << 20, "peak {}", written.peak_memory);
    let bytes = std::fs::read(disk.path()).unwrap();
    let inner = 1 << 20..image.plain.len() - (1 << 20);
    assert!(bytes[inner.clone()] == image.plain[inner]);
    assert_eq!(&bytes[..446], &image.plain[..446]);
    assert!(bytes[318 << 20..][..300_000].iter().all(|byte| *byte == 0x42));
    let table = gptman::GPT::read_from(&mut std::io::Cursor::new(&bytes), 512).unwrap();
    assert_eq!(table.header.backup_lba, (320 << 11) - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_512_mb_boots_deploys_and_goes_off() {
    deploys("512").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_256_mb_boots_deploys_and_goes_off() {
    deploys("256").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_machine_reports_itself() {
    let Some(ramdisk) = ramdisk_or_skip() else { return };
    let rack = Rack::start(Shared::new([].into(), order::Task::Stay(order_stay()))).await;
    let words = format!("{} underlay.mode=discover", rack.command_line("10.0.2.2"));
    let _machine = machine(&ramdisk, "256", None, &words);
    let found = rack
        .hears(|heard| match heard {
            Heard::Discovered(found) => Some(found.clone()),
            _ => None,
        })
        .await;
    assert_eq!(found.boot_mac, MAC);
    assert_eq!(found.inventory.unwrap().serial, "TEST-1");
}

fn order_stay() -> order::Stay {
    order::Stay {}
}
