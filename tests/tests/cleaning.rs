//! Disks between two machines, on QEMU's own: an NVMe disk that formats itself, one with sectors of 4096 bytes, one that is
//! overwritten, and one that dies in the middle. The agent wipes and reads back; the test reads the files beneath.
//!
//! The machines are switched by the test, as a person would, so that their disks are the test's own.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    PATIENCE,
    client::{Client, phase},
    image::Image,
    needs, parts,
    segment::{Segment, run},
    server::Server,
    specs::{self, Dhcp, Ready},
    vm::{Place, Start, Vm},
};

const MAC: &str = "52:54:00:4e:df:31";
const MIB: u64 = 1 << 20;
const SECRET: &[u8] = b"what the last one on it wrote. ";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_machine_leaves_is_wiped_with_a_proof_and_a_disk_that_dies_sets_its_host_aside() -> Result<()>
{
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let server = Server::start(&segment, &[]).await?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let pool = pb::PoolSpec { clean: "best".into(), ..pb::PoolSpec::default() };
    client.put_pool("lab", pool).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    for (name, mac) in [("r1", MAC), ("r2", "52:54:00:4e:df:32")] {
        let driver = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
        let spec = pb::HostSpec { pool: "lab".into(), ..specs::host(mac, "bios", "pxe", driver) };
        client.put_host(name, spec).await?;
        client.host_when(name, PATIENCE, |host| host_phase(host) == "available").await?;
    }

    // A machine has it and lets it go again; that is not waited for by whoever destroys it.
    client
        .put_machine("web", specs::machine(&reference, "r1", Ready::Written), pb::PutOptions::default())
        .await?;
    client.machine_when("web", PATIENCE, |machine| phase(machine) == "powering_off").await?;
    client.delete_machine("web").await?;
    underlay(&server, &["host", "confirm", "r1", "--power", "off"])?;
    waits_for(&client, "switch host r1 on").await?;
    ensure!(client.machine("web").await.is_err(), "the machine waits for the cleaning");

    let disks = Disks::make(&segment)?;
    let vm = disks.start(&segment, &disks.sound())?;
    waits_for(&client, "switch host r1 off").await?;
    drop(vm);
    underlay(&server, &["host", "confirm", "r1", "--power", "off"])?;
    let clean = client.host_when("r1", PATIENCE, |host| host_phase(host) == "available").await?;
    for file in [&disks.nvme, &disks.wide, &disks.virtio] {
        ensure!(is_blank(file)?, "{} is not", file.display());
    }
    let records = clean.status.context("a host has a status")?.cleanings;
    let [record] = &records[..] else { anyhow::bail!("{records:#?}") };
    ensure!((record.reason.as_str(), record.policy.as_str()) == ("released", "best"), "{record:#?}");
    for (serial, method) in
        [("NVME-1", "nvme_format_erase"), ("WIDE-1", "overwrite"), ("VIRTIO-1", "overwrite")]
    {
        let wipe = record.disks.iter().find(|wipe| wipe.serial == serial).context("a line for each disk")?;
        ensure!((wipe.ending.as_str(), wipe.method.as_str()) == ("wiped", method), "{wipe:#?}");
        let proof = wipe.proof.as_ref().context("a proof")?;
        ensure!(proof.samples == 64 && proof.held_data == 64 && proof.kept == 0, "{proof:#?}");
        ensure!(proof.before != proof.after && wipe.bytes == wipe.size_bytes, "{wipe:#?}");
    }
    let shown = said(&server, &["describe", "host/r1"])?;
    for word in ["cleanings:", "nvme_format_erase", "serial: WIDE-1", "samples: 64", "before: "] {
        ensure!(shown.contains(word), "{word} is not in:\n{shown}");
    }

    // The same host with a disk that takes the first half of it.
    underlay(&server, &["host", "quarantine", "r1", "--reason", "its disk rattles"])?;
    let aside = client.host_when("r1", PATIENCE, |host| host_phase(host) == "quarantined").await?;
    ensure!(why(&aside).contains("its disk rattles"), "{}", why(&aside));
    underlay(&server, &["host", "repair", "r1"])?;
    waits_for(&client, "switch host r1 on").await?;
    let _vm = disks.start(&segment, &disks.dying())?;
    let failed = |host: &pb::Host| host_phase(host) == "quarantined" && why(host).contains("DYING-1");
    let aside = client.host_when("r1", PATIENCE, failed).await?;
    ensure!(why(&aside).contains("writing at byte"), "{}", why(&aside));
    let record = aside.status.context("a status")?.cleanings.pop().context("what was seen is kept")?;
    let endings: Vec<_> = record.disks.iter().map(|wipe| (&wipe.serial[..], &wipe.ending[..])).collect();
    ensure!(
        endings.contains(&("DYING-1", "failed")) && endings.contains(&("VIRTIO-1", "wiped")),
        "{endings:?}"
    );

    // Who wants a host gets the other one.
    let require = pb::Require { pool: "lab".into(), ..pb::Require::default() };
    let spec = pb::MachineSpec {
        host: String::new(),
        require: Some(require),
        ..specs::machine(&reference, "", Ready::Written)
    };
    client.put_machine("next", spec, pb::PutOptions::default()).await?;
    let has = |machine: &pb::Machine| machine.status.as_ref().is_some_and(|status| !status.host.is_empty());
    let next = client.machine_when("next", PATIENCE, has).await?;
    let host = next.status.context("a status")?.host;
    ensure!(host == "r2", "it has {host}");
    Ok(())
}

/// Files that play disks, full of what the last one on them wrote.
struct Disks {
    nvme: PathBuf,
    wide: PathBuf,
    virtio: PathBuf,
    dying: PathBuf,
}

impl Disks {
    fn make(segment: &Segment) -> Result<Self> {
        let disk = |name: &str, size: u64| -> Result<PathBuf> {
            let path = segment.directory().join(name);
            let mut file = File::create(&path).context("making a disk")?;
            let piece: Vec<u8> = SECRET.iter().copied().cycle().take(MIB as usize).collect();
            for _ in 0..size / MIB {
                file.write_all(&piece)?;
            }
            Ok(path)
        };
        Ok(Self {
            nvme: disk("nvme", 64 * MIB)?,
            wide: disk("wide", 48 * MIB)?,
            virtio: disk("virtio", 32 * MIB)?,
            dying: disk("dying", 32 * MIB)?,
        })
    }

    fn virtio(&self) -> [String; 4] {
        let drive = format!("if=none,id=d0,format=raw,cache=unsafe,file={}", self.virtio.display());
        ["-drive".into(), drive, "-device".into(), "virtio-blk-pci,drive=d0,serial=VIRTIO-1".into()]
    }

    fn sound(&self) -> Vec<String> {
        let drive = |id: &str, file: &Path| {
            ["-drive".to_owned(), format!("if=none,id={id},format=raw,cache=unsafe,file={}", file.display())]
        };
        let device = |words: &str| ["-device".to_owned(), words.to_owned()];
        [
            self.virtio().to_vec(),
            drive("d1", &self.nvme).to_vec(),
            device("nvme,drive=d1,serial=NVME-1").to_vec(),
            drive("d2", &self.wide).to_vec(),
            device("virtio-scsi-pci,id=s0").to_vec(),
            device(
                "scsi-hd,drive=d2,bus=s0.0,serial=WIDE-1,logical_block_size=4096,physical_block_size=4096",
            )
            .to_vec(),
        ]
        .concat()
    }

    /// One whose middle takes no write.
    fn dying(&self) -> Vec<String> {
        let sector = 17 * MIB / 512;
        let drive = format!(
            "if=none,id=d3,driver=raw,werror=report,rerror=report,file.driver=blkdebug,file.image.driver=file,\
             file.image.filename={},file.inject-error.0.event=none,file.inject-error.0.iotype=write,\
             file.inject-error.0.errno=5,file.inject-error.0.sector={sector}",
            self.dying.display()
        );
        let device = "virtio-blk-pci,drive=d3,serial=DYING-1".to_owned();
        [self.virtio().to_vec(), vec!["-drive".into(), drive, "-device".into(), device]].concat()
    }

    fn start(&self, segment: &Segment, devices: &[String]) -> Result<Vm> {
        let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
        Vm::with(Place::from(segment), "r1", "tap0", ("virtio-net-pci", MAC), Start::Bios, &devices)
    }
}

fn is_blank(path: &Path) -> Result<bool> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).context("reading a disk")?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}

async fn waits_for(client: &Client, what: &str) -> Result<()> {
    let waits =
        |host: &pb::Host| host.standing.as_ref().is_some_and(|standing| standing.waiting_for.contains(what));
    client.host_when("r1", PATIENCE, waits).await.map(drop)
}

fn host_phase(host: &pb::Host) -> &str {
    host.standing.as_ref().map_or("", |standing| &standing.phase)
}

fn why(host: &pb::Host) -> String {
    let failure = host.standing.as_ref().and_then(|standing| standing.failure.clone());
    failure.unwrap_or_default().why
}

fn command(server: &Server<'_>, words: &[&str]) -> Result<std::process::Command> {
    let mut underlay = std::process::Command::new(parts::underlay()?);
    underlay.args(words).env("UNDERLAY_ENDPOINT", server.socket());
    Ok(underlay)
}

fn underlay(server: &Server<'_>, words: &[&str]) -> Result<()> {
    run(&mut command(server, words)?)
}

fn said(server: &Server<'_>, words: &[&str]) -> Result<String> {
    let output = command(server, words)?.output().context("asking underlay")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
