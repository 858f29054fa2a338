//! The ramdisk for real servers: it has the drivers and the firmware that servers' cards want, and starts on a machine
//! that has none of the devices of virtual machines.

use std::{collections::BTreeSet, fs::File, process::Command};

use anyhow::{Context, Result, ensure};
use underlay_tests::rack::{
    PATIENCE, needs,
    parts::{printed, script},
    segment::Segment,
    server::Server,
    specs::{self, Dhcp},
    vm::{Start, Vm},
};

const MAC: &str = "52:54:00:f0:11:01";

/// What is on the main boards and in the slots of servers.
const DRIVERS: [&str; 14] = [
    "bnxt_en",
    "bnx2x",
    "qede",
    "mlx5_core",
    "i40e",
    "ice",
    "ixgbe",
    "igb",
    "tg3",
    "megaraid_sas",
    "mpt3sas",
    "smartpqi",
    "nvme",
    "vmd",
];

/// Folders in which cards that do nothing without firmware have theirs.
const FIRMWARE: [&str; 3] = ["bnx2x/", "qed/", "intel/ice/ddp/"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_any_virtual_device_reaches_us_and_shows_its_disks() -> Result<()> {
    if !needs::met(&["apt-get"]) {
        return Ok(());
    }
    let ramdisk = printed(Command::new(script("ramdisk.sh")).arg("full"))?;
    let manifest = File::open(ramdisk.join("manifest.json")).context("the ramdisk has a manifest")?;
    let manifest: serde_json::Value = serde_json::from_reader(manifest)?;
    let words = |list: &serde_json::Value| -> BTreeSet<String> {
        list.as_array().into_iter().flatten().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
    };
    let modules = words(&manifest["modules"]);
    for driver in DRIVERS {
        ensure!(modules.contains(driver), "{driver} is not in it: {modules:?}");
    }
    let firmware = words(&manifest["firmware"]["carried"]);
    for folder in FIRMWARE {
        ensure!(firmware.iter().any(|file| file.starts_with(folder)), "nothing of {folder}: {firmware:?}");
    }

    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &["--ramdisk", &ramdisk.display().to_string()]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "discover")).await?;
    let drive = |name: &str| -> Result<String> {
        let path = segment.directory().join(format!("{name}.raw"));
        File::create(&path).and_then(|file| file.set_len(64 << 20)).context("making a disk")?;
        Ok(format!("if=none,id={name},format=raw,file={}", path.display()))
    };
    let (raid, nvme) = (drive("raid")?, drive("flash")?);
    let devices = [
        "-drive",
        &raid,
        "-device",
        "megasas,id=controller",
        "-device",
        "scsi-hd,drive=raid,bus=controller.0",
        "-drive",
        &nvme,
        "-device",
        "nvme,serial=FLASH-1,drive=flash",
    ];
    let _vm = Vm::with((&segment).into(), "server", "tap0", ("e1000e", MAC), Start::Bios, &devices)?;
    let inventory = client.discovers(MAC, PATIENCE).await?.inventory.context("it says what it is")?;
    let nic = inventory.nics.iter().find(|nic| nic.mac == MAC).context("it has that NIC")?;
    ensure!(nic.driver == "e1000e", "{nic:#?}");
    ensure!(
        inventory.disks.iter().any(|disk| disk.kind == "nvme" && disk.serial == "FLASH-1"),
        "{inventory:#?}"
    );
    ensure!(inventory.disks.len() == 2, "{inventory:#?}");
    Ok(())
}
