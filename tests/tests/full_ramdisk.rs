//! The ramdisk for real servers: it has the drivers and the firmware that servers' cards want, and starts on a machine
//! that has none of the devices of virtual machines. Its disks say how they are, and its TPM which one it is.

use std::{collections::BTreeSet, fs::File, process::Command};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE, needs,
    parts::{printed, script, underlay},
    segment::Segment,
    server::Server,
    specs::{self, Dhcp},
    tpm::Tpm,
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
    if !needs::met(&["apt-get", "swtpm", "swtpm_setup"]) {
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
    let (raid, nvme, old) = (drive("raid")?, drive("flash")?, drive("old")?);
    let tpm = Tpm::start(&segment, "tpm")?;
    let mut devices = vec![
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
        "-drive",
        &old,
        // Its NVM subsystem is no longer reliable, says its log.
        "-device",
        "nvme,serial=FLASH-2,drive=old,smart_critical_warning=4",
    ];
    devices.extend(tpm.devices());
    let _vm = Vm::with((&segment).into(), "server", "tap0", ("e1000e", MAC), Start::Bios, &devices)?;
    let inventory = client.discovers(MAC, PATIENCE).await?.inventory.context("it says what it is")?;
    let nic = inventory.nics.iter().find(|nic| nic.mac == MAC).context("it has that NIC")?;
    ensure!(nic.driver == "e1000e", "{nic:#?}");
    ensure!(
        inventory.disks.iter().any(|disk| disk.kind == "nvme" && disk.serial == "FLASH-1"),
        "{inventory:#?}"
    );
    ensure!(inventory.disks.len() == 3, "{inventory:#?}");

    // What disks and TPM say when they are asked.
    let verdict = |serial: &str| {
        let disk = inventory.disks.iter().find(|disk| disk.serial == serial)?;
        Some((disk.health.as_ref()?.verdict.clone(), disk.health.as_ref()?.percent_used))
    };
    ensure!(verdict("FLASH-1") == Some(("ok".into(), Some(0))), "{inventory:#?}");
    ensure!(verdict("FLASH-2").is_some_and(|(verdict, _)| verdict == "failing"), "{inventory:#?}");
    ensure!(inventory.tpm && inventory.tpm_version == "2.0", "{inventory:#?}");
    let key = inventory.endorsement.as_ref().context("the TPM says what it is")?;
    ensure!((&*key.source, &*key.sha256) == ("rsa_certificate", tpm.certificate()), "{key:#?}");

    // As a host it says so too, and stays as it is: nothing is refused because of it.
    let manual = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
    client.put_host("old", specs::host(MAC, "bios", "pxe", manual)).await?;
    let bad = |host: &pb::Host| {
        let conditions = host.status.as_ref().map(|status| &*status.conditions).unwrap_or_default();
        conditions.iter().any(|it| it.name == "DisksHealthy" && !it.good)
    };
    client.host_when("old", PATIENCE, bad).await?;
    let mut describe = segment.command(underlay()?);
    let described =
        printed_words(describe.args(["describe", "host/old"]).env("UNDERLAY_ENDPOINT", server.socket()))?;
    ensure!(described.contains("(serial FLASH-2): it is no longer reliable"), "{described}");
    ensure!(!described.contains("(serial FLASH-1):"), "{described}");
    Ok(())
}

fn printed_words(command: &mut Command) -> Result<String> {
    let output = command.output().context("running underlay")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
