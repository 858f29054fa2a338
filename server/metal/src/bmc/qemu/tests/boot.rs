//! What a machine starts from, told by what it writes to its serial port.

use std::{path::Path, process::Command, time::Duration};

use axum::{Router, extract::Path as UrlPath, routing::get};
use tokio::net::TcpListener;
use underlay_core::{
    bmc::{Bmc, Power, Target},
    host::Firmware,
};

use super::bench::{Bench, FROM_DISK, Fetched};

/// Emulated firmware on a busy machine; idle it takes 3 to 15 s.
const PATIENCE: Duration = Duration::from_secs(180);

/// A disk's first sector that writes [`FROM_DISK`] to COM1 and halts.
fn boot_sector() -> Vec<u8> {
    // cli; xor ax,ax; mov ds,ax; mov si,0x7c16
    // next: lodsb; test al,al; jz done; mov dx,0x3f8; out dx,al; jmp next
    // done: hlt; jmp done
    let mut sector = hex::decode("fa31c08ed8be167cac84c07406baf803eeebf5f4ebfd").expect("hex");
    sector.extend(FROM_DISK.bytes());
    sector.extend(b"\r\n");
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// Put a bootable system on the first disk.
fn install(bench: &Bench, firmware: Firmware) {
    let disk = bench.directory().join("disk0.raw");
    match firmware {
        Firmware::Bios => {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(disk).expect("a disk");
            file.write_all_at(&boot_sector(), 0).expect("written");
        }
        Firmware::Uefi => install_uefi(&disk),
    }
}

/// A FAT file system whose removable-media boot file is GRUB, which writes [`FROM_DISK`] and waits.
fn install_uefi(disk: &Path) {
    let work = tempfile::tempdir().expect("a directory");
    let (script, loader, fat) =
        (work.path().join("grub.cfg"), work.path().join("BOOTX64.EFI"), work.path().join("fat"));
    let text = format!("serial --unit=0\nterminal_output serial\necho {FROM_DISK}\nsleep 100000\n");
    std::fs::write(&script, text).expect("written");
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).output().expect(program);
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let [script, loader, image] = [&script, &loader, &fat].map(|path| path.to_str().expect("a path"));
    let modules = ["echo", "serial", "terminal", "sleep", "normal"];
    run(
        "grub-mkimage",
        &[&["-O", "x86_64-efi", "-p", "/", "-c", script, "-o", loader][..], &modules].concat(),
    );
    run("truncate", &["-s", "48M", image]);
    run("mformat", &["-i", image, "-F", "::"]);
    run("mmd", &["-i", image, "::/EFI", "::/EFI/BOOT"]);
    run("mcopy", &["-i", image, loader, "::/EFI/BOOT/"]);
    let mut from = std::fs::File::open(fat).expect("an image");
    let mut to = std::fs::OpenOptions::new().write(true).open(disk).expect("a disk");
    std::io::copy(&mut from, &mut to).expect("copied");
}

/// Serve a script that reboots the guest from within; returns its URL as the guest sees it.
async fn serve(fetched: Fetched) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script = move |UrlPath(mac): UrlPath<String>| async move {
        fetched.add(mac);
        "#!ipxe\necho NET-BOOT ${platform}\necho the serial port loses what is written last\nreboot\n"
    };
    let service = Router::new().route("/boot/{mac}", get(script));
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://10.0.2.2:{port}/boot/{{mac}}")
}

async fn network_once_then_disk(firmware: Firmware, platform: &str) {
    let Some(mut bench) = Bench::new(firmware) else { return };
    let fetched = Fetched::default();
    bench.config.boot_url = serve(fetched.clone()).await;
    let driver = bench.driver();
    // Once on and off makes the files.
    driver.ensure_power(Power::On).await.expect("it starts");
    driver.ensure_power(Power::Off).await.expect("it stops");
    install(&bench, firmware);
    std::fs::remove_file(bench.directory().join("console.log")).expect("removed");

    driver.ensure_next_boot(Target::NetworkOnce).await.expect("it is kept");
    driver.ensure_power(Power::On).await.expect("it starts");
    assert_eq!(driver.observe().await.expect("it answers").next_boot, Some(Target::Disk), "it is spent");
    let network = format!("NET-BOOT {platform}");
    let times = bench.console_shows(&[&network, FROM_DISK], PATIENCE).await;
    eprintln!(
        "{firmware:?}: network script after {:?}, disk after the guest's reboot at {:?}",
        times[0], times[1]
    );
    let mac = driver.observe().await.expect("it answers").macs[0].to_string();
    assert_eq!(fetched.paths(), [mac], "the network was asked once");

    // The server is gone: a cold cycle by hand comes up from the disk, and the next driver finds it.
    driver.ensure_power(Power::Off).await.expect("it stops");
    drop(driver);
    std::fs::remove_file(bench.directory().join("console.log")).expect("removed");
    bench.start_by_hand();
    let times = bench.console_shows(&[FROM_DISK], PATIENCE).await;
    eprintln!("{firmware:?}: disk after a cold start at {:?}", times[0]);
    assert_eq!(fetched.paths().len(), 1, "the network was not asked");
    assert_eq!(bench.driver().observe().await.expect("it answers").power, Power::On);
}

#[tokio::test]
async fn bios_boots_the_network_once_and_a_guest_reboot_comes_up_from_disk() {
    network_once_then_disk(Firmware::Bios, "pcbios").await;
}

#[tokio::test]
async fn uefi_boots_the_network_once_and_a_guest_reboot_comes_up_from_disk() {
    network_once_then_disk(Firmware::Uefi, "efi").await;
}

#[tokio::test]
async fn a_disk_that_does_not_boot_is_not_passed_over_for_the_network() {
    let Some(mut bench) = Bench::new(Firmware::Bios) else { return };
    let fetched = Fetched::default();
    bench.config.boot_url = serve(fetched.clone()).await;
    bench.driver().ensure_power(Power::On).await.expect("it starts");
    bench.console_shows(&["No bootable device"], PATIENCE).await;
    assert!(fetched.paths().is_empty());
}
