//! Real firmware and a real iPXE boot from the endpoint over QEMU's user networking: on SeaBIOS and on OVMF, the
//! agent's script as far as the kernel, and the script of a machine that is to start its own disk.

use std::{net::SocketAddr, path::Path, process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
    time::timeout,
};
use underlay_core::boot::{Answer, Plan};

use super::{Says, agent, config, known};
use crate::http::router;

/// Emulated firmware on a busy machine; idle it takes 3 to 15 s.
const PATIENCE: Duration = Duration::from_secs(240);
const QEMU: &str = "qemu-system-x86_64";
const OVMF: [&str; 2] = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"];
const ROM: &str = "/usr/lib/ipxe/qemu/efi-virtio.rom";
const IPXE: &str = "/usr/lib/ipxe/ipxe.efi";
const MAC: &str = "52:54:00:12:34:56";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Firmware {
    Bios,
    /// With iPXE in the ROM of the NIC. When it leaves, the firmware tries the NIC by itself, which over IPv6 may take minutes.
    Uefi,
    /// With iPXE as a file on a disk. When it leaves, the next disk comes next.
    UefiFile,
}

/// Is all here that `firmware` needs? Where CI says so, it must be.
fn is_equipped(firmware: Firmware) -> bool {
    let files: &[&str] = match firmware {
        Firmware::Bios => &[],
        Firmware::Uefi => &[OVMF[0], OVMF[1], ROM],
        Firmware::UefiFile => &[OVMF[0], OVMF[1], IPXE],
    };
    let missing = files.iter().find(|file| !Path::new(file).exists()).copied();
    let missing = missing.or((!is_installed(QEMU)).then_some(QEMU));
    if let Some(missing) = missing {
        assert!(std::env::var_os("CI").is_none(), "{missing} is needed under CI");
        eprintln!("skipped: there is no {missing}");
    }
    missing.is_none()
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()))
}

/// What the disk says when it is started.
const FROM_DISK: &str = "UNDERLAY-DISK-BOOT";

/// A disk whose first sector writes [`FROM_DISK`] to COM1 and halts.
fn disk() -> Vec<u8> {
    // cli; xor ax,ax; mov ds,ax; mov si,0x7c16
    // next: lodsb; test al,al; jz done; mov dx,0x3f8; out dx,al; jmp next
    // done: hlt; jmp done
    let mut disk = hex::decode("fa31c08ed8be167cac84c07406baf803eeebf5f4ebfd").expect("hex");
    disk.extend(FROM_DISK.bytes());
    disk.extend(b"\r\n");
    disk.resize(510, 0);
    disk.extend([0x55, 0xaa]);
    disk.resize(1 << 20, 0);
    disk
}

/// What stands for the kernel: a script, which iPXE boots as it would any other, and which says what it was given.
const KERNEL: &str = "#!ipxe\nimgstat\necho KERNEL-RUNS\n:rest\nsleep 1000\ngoto rest\n";

/// Boot a machine from an endpoint that answers so, until its console shows `wanted`; returns what it showed, and what
/// the endpoint saw.
async fn boot(firmware: Firmware, answer: Option<Answer>, wanted: &str) -> (String, Arc<Says>) {
    let files = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(files.path().join("ramdisk")).expect("made");
    std::fs::write(files.path().join("ramdisk/vmlinuz"), KERNEL).expect("written");
    std::fs::write(files.path().join("ramdisk/initrd"), "initramfs").expect("written");
    std::fs::write(files.path().join("disk"), disk()).expect("written");
    let says = Says::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let service =
        router(config(files.path()), says.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let shown = timeout(PATIENCE, run(firmware, files.path(), port, wanted)).await;
    server.abort();
    (shown.unwrap_or_else(|_| panic!("{firmware:?} never showed {wanted:?}")), says)
}

async fn run(firmware: Firmware, files: &Path, port: u16, wanted: &str) -> String {
    let mut command = Command::new(QEMU);
    command.args([
        "-M",
        "q35,smm=off,graphics=off",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-m",
        "256",
        "-nodefaults",
        "-no-user-config",
    ]);
    command.args(["-display", "none", "-vga", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]);
    command.args(["-netdev", &format!("user,id=net,bootfile=http://10.0.2.2:{port}/boot.ipxe")]);
    let nic = match firmware {
        Firmware::Bios => "bootindex=0".to_owned(),
        Firmware::Uefi => format!("bootindex=0,romfile={ROM}"),
        Firmware::UefiFile => "romfile=".to_owned(),
    };
    command.args(["-device", &format!("virtio-net-pci,netdev=net,mac={MAC},{nic}")]);
    if firmware == Firmware::UefiFile {
        let folder = files.join("esp");
        std::fs::create_dir_all(folder.join("EFI/BOOT")).expect("made");
        std::fs::copy(IPXE, folder.join("EFI/BOOT/BOOTX64.EFI")).expect("copied");
        command.args(["-drive", &format!("if=none,id=esp,format=raw,file=fat:rw:{}", folder.display())]);
        command.args(["-device", "virtio-blk-pci,drive=esp,bootindex=0"]);
    }
    command.args(["-drive", &format!("if=none,id=disk,format=raw,file={}", files.join("disk").display())]);
    command.args(["-device", "virtio-blk-pci,drive=disk,bootindex=1"]);
    if firmware != Firmware::Bios {
        let vars = files.join("vars");
        std::fs::copy(OVMF[1], &vars).expect("copied");
        command.args(["-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={}", OVMF[0])]);
        command.args(["-drive", &format!("if=pflash,format=raw,unit=1,file={}", vars.display())]);
    }
    let mut qemu =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("QEMU");
    let mut console = BufReader::new(qemu.stdout.take().expect("a console"));
    let (mut shown, mut line) = (String::new(), Vec::new());
    while !shown.contains(wanted) {
        line.clear();
        let read = console.read_until(b'\n', &mut line).await.expect("readable");
        assert!(read > 0, "QEMU ended: {shown}");
        shown.push_str(&String::from_utf8_lossy(&line));
    }
    qemu.kill().await.expect("ended");
    shown
}

/// The script is followed to the end: kernel and initramfs are there, under the name it needs, when the kernel starts.
async fn boots_the_agent(firmware: Firmware) {
    if !is_equipped(firmware) {
        return;
    }
    let (shown, says) = boot(firmware, agent(), "KERNEL-RUNS").await;
    assert!(shown.contains("initrd : 9 bytes"), "{shown}");
    let seen = says.seen.lock().expect("whole").clone();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].0.to_string(), MAC, "it asked with the MAC of the NIC it booted over");
}

#[tokio::test]
async fn a_bios_machine_boots_the_agent() {
    boots_the_agent(Firmware::Bios).await;
}

#[tokio::test]
async fn a_uefi_machine_boots_the_agent() {
    boots_the_agent(Firmware::Uefi).await;
}

#[tokio::test]
async fn a_bios_machine_of_which_nothing_is_asked_starts_its_disk() {
    if is_equipped(Firmware::Bios) {
        let (_, says) = boot(Firmware::Bios, known(Plan::LocalDisk), FROM_DISK).await;
        assert_eq!(says.seen.lock().expect("whole").len(), 1, "the network was asked once");
    }
}

#[tokio::test]
async fn a_uefi_machine_of_which_nothing_is_asked_goes_on_to_its_disk() {
    if is_equipped(Firmware::UefiFile) {
        // Its disk holds no loader; what counts is that the firmware turns to it, once iPXE has left.
        let (shown, says) = boot(Firmware::UefiFile, known(Plan::LocalDisk), "UEFI Misc Device 2").await;
        assert!(shown.contains("nothing asked of this machine"), "{shown}");
        assert_eq!(says.seen.lock().expect("whole").len(), 1, "the network was asked once");
    }
}
