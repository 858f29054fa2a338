//! A host of a pool that trusts TPMs alone: what it may be given depends on what its TPM says was started. A key that
//! nobody vouched for gets nothing, the host's own agent is deployed, and one whose initramfs was changed gets no secret.
//!
//! Its firmware knows Microsoft's keys, so a shim starts the agent; that does not start a changed one either.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::rack::{
    GLANCE, PATIENCE,
    client::{Client, phase},
    console,
    image::Image,
    needs, parts,
    segment::{Process, Segment, run},
    server::Server,
    site::Site,
    specs::{self, Dhcp, Ready},
    vm::{Place, Start, Vm},
};

const MAC: &str = "52:54:00:79:0a:01";
const STRANGER: &str = "52:54:00:79:0a:02";

#[tokio::test(flavor = "multi_thread")]
async fn only_the_agent_that_the_hosts_tpm_vouches_for_is_given_anything() -> Result<()> {
    if !needs::met(&["openssl", "sbsign", "swtpm", "objcopy", "mformat"]) {
        return Ok(());
    }
    let segment = Segment::new(&["tap0"])?;
    let site = Site::behind_a_shim(&segment)?;
    let ramdisk = site.ramdisk.to_str().context("a path of text")?;
    let server = Server::start(&segment, &["--ramdisk", ramdisk]).await?;
    site.sign(&server)?;
    let client = server.client();
    client.put_network("boot", specs::network(Dhcp::Server, "discover")).await?;
    let image = Image::make(&server.images(), "small", 8)?;
    let reference = client.import("small", image.spec(), PATIENCE).await?;
    let trust = "tpm".into();
    client.put_pool("vault", pb::PoolSpec { trust, ..Default::default() }).await?;
    client.put_host("r1", host("")).await?;
    let disk = segment.directory().join("r1.disk");
    fs::File::create(&disk).and_then(|file| file.set_len(256 << 20)).context("making the disk")?;
    let mut spec = specs::machine(&reference, "r1", Ready::Written);

    // Whose TPM that is, somebody has to say first; the machine itself may say anything.
    client.put_machine("web", spec.clone(), pb::PutOptions::default()).await?;
    switched(&client, &server).await?;
    let vm = Machine::start(&segment, "first", Start::Secure(&site.vars), &disk, None)?;
    let why = failure(&client).await?;
    let key = why.split("tpm = \"").nth(1).and_then(|rest| rest.split('"').next());
    let key = key.with_context(|| format!("it names no key: {why}"))?.to_owned();
    drop(vm);

    client.put_host("r1", host(&key)).await?;
    again(&client, &spec).await?;
    switched(&client, &server).await?;
    let vm = Machine::start(&segment, "second", Start::Secure(&site.vars), &disk, None)?;
    client.machine_ready("web", PATIENCE).await?;
    image.is_on(&disk)?;
    drop(vm);

    // The host's TPM and the host's MAC, but firmware that starts anything, and an initramfs with a file more.
    let changed = segment.directory().join("changed.efi");
    with_a_file_more(&segment, &site, &changed)?;
    let stick = stick(&segment, &changed)?;
    if let Some(redeploy) = &mut spec.redeploy {
        redeploy.generation = 2;
    }
    again(&client, &spec).await?;
    switched(&client, &server).await?;
    let vm = Machine::start(&segment, "changed", Start::UefiOther, &disk, Some(&stick))?;
    let why = failure(&client).await?;
    ensure!(why.contains("it started a program that is none of ours"), "{why}");
    let said = console::read(vm.vm.console()).await;
    ensure!(said.contains("underlay agent"), "nothing ran at all: {said}");
    ensure!(!said.contains("connected host="), "it came through: {said}");
    let machine = client.machine("web").await?;
    let deployments = machine.status.map_or(0, |status| status.deployments);
    ensure!(deployments == 1, "imaged {deployments} times");
    drop(vm);

    site.change(&site.signed())?;
    let vm = Vm::start(&segment, "stranger", "tap0", STRANGER, Start::Secure(&site.vars), None)?;
    console::says(vm.console(), "Security Violation", 1, PATIENCE).await?;
    let said = console::read(vm.console()).await;
    ensure!(!said.contains("underlay agent"), "it ran: {said}");
    Ok(())
}

/// The site's program, its initramfs followed by an archive with one file: it runs, but is not what was signed.
fn with_a_file_more(segment: &Segment, site: &Site, program: &Path) -> Result<()> {
    let mut initrd = fs::read(site.ramdisk.join("initrd")).context("reading the initramfs")?;
    for (mode, name) in [(0o100_644, "changed"), (0, "TRAILER!!!")] {
        // As the kernel wants each header of an archive to begin.
        initrd.resize(initrd.len().next_multiple_of(4), 0);
        let numbers = [1, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() + 1, 0];
        initrd.extend(b"070701");
        initrd.extend(numbers.iter().flat_map(|number| format!("{number:08x}").into_bytes()));
        initrd.extend(name.as_bytes());
        initrd.push(0);
    }
    initrd.resize(initrd.len().next_multiple_of(4), 0);
    let more = segment.directory().join("initrd.more");
    fs::write(&more, initrd).context("writing the initramfs")?;
    let mut objcopy = Command::new("objcopy");
    objcopy.arg("--update-section").arg(format!(".initrd={}", more.display()));
    fs::copy(site.signed(), program).context("copying the program")?;
    // A signature that is not at the end any more is refused whatever is asked of it.
    run(Command::new("sbattach").arg("--remove").arg(program))?;
    run(objcopy.arg(program))
}

/// A stick that firmware starts that program from.
fn stick(segment: &Segment, program: &Path) -> Result<PathBuf> {
    let stick = segment.directory().join("stick.img");
    fs::File::create(&stick).and_then(|file| file.set_len(64 << 20)).context("making the stick")?;
    run(Command::new("mformat").arg("-i").arg(&stick).args(["-F", "::"]))?;
    run(Command::new("mmd").arg("-i").arg(&stick).args(["::/EFI", "::/EFI/BOOT"]))?;
    run(Command::new("mcopy").arg("-i").arg(&stick).arg(program).arg("::/EFI/BOOT/BOOTX64.EFI"))?;
    Ok(stick)
}

/// The host, known by that TPM.
fn host(tpm: &str) -> pb::HostSpec {
    let driver = pb::host_spec::Driver::Manual(pb::ManualDriver::default());
    let mut spec = specs::host(MAC, "uefi", "http", driver);
    spec.pool = "vault".into();
    if let Some(identity) = &mut spec.identity {
        identity.tpm = tpm.into();
    }
    spec
}

/// Why the machine failed.
async fn failure(client: &Client) -> Result<String> {
    let failed = client.machine_when("web", PATIENCE, |machine| phase(machine) == "failed").await?;
    let failure = failed.standing.and_then(|standing| standing.failure);
    Ok(failure.context("it says why")?.why)
}

async fn again(client: &Client, spec: &pb::MachineSpec) -> Result<()> {
    let incarnation = client.machine("web").await?.meta.context("a machine has an identity")?.incarnation;
    let options = pb::PutOptions { incarnation, retry: true, ..pb::PutOptions::default() };
    client.put_machine("web", spec.clone(), options).await.map(drop)
}

/// The person who switches it does what they are asked for.
async fn switched(client: &Client, server: &Server<'_>) -> Result<()> {
    waits_for(client, "to switch host r1 off").await?;
    let mut underlay = Command::new(parts::underlay()?);
    underlay.args(["host", "confirm", "r1", "--power", "off"]).env("UNDERLAY_ENDPOINT", server.socket());
    run(&mut underlay)?;
    waits_for(client, "to switch host r1 on").await
}

async fn waits_for(client: &Client, whom: &str) -> Result<()> {
    let waits = |machine: &pb::Machine| {
        machine.standing.as_ref().is_some_and(|standing| standing.waiting_for.contains(whom))
    };
    client.machine_when("web", PATIENCE, waits).await.map(drop)
}

/// A machine with a TPM that keeps its seeds, as chips do.
struct Machine {
    vm: Vm,
    _tpm: Process,
}

impl Machine {
    fn start(
        segment: &Segment,
        name: &str,
        start: Start<'_>,
        disk: &Path,
        stick: Option<&Path>,
    ) -> Result<Self> {
        let (tpm, socket) = swtpm(segment, name)?;
        let tpm_socket = format!("socket,id=tpm,path={}", socket.display());
        let drive = format!("if=none,id=d0,format=raw,cache=unsafe,file={}", disk.display());
        let mut devices = vec!["-chardev", &tpm_socket, "-tpmdev", "emulator,id=t0,chardev=tpm"];
        devices.extend(["-device", "tpm-crb,tpmdev=t0"]);
        devices.extend(["-drive", &drive, "-device", "virtio-blk-pci,drive=d0,bootindex=2"]);
        let stick =
            stick.map(|stick| format!("if=none,id=d1,format=raw,readonly=on,file={}", stick.display()));
        if let Some(stick) = &stick {
            devices.extend(["-drive", stick, "-device", "virtio-blk-pci,drive=d1,bootindex=1"]);
        }
        let vm = Vm::with(Place::from(segment), name, "tap0", ("virtio-net-pci", MAC), start, &devices)?;
        Ok(Self { vm, _tpm: tpm })
    }
}

/// The TPM of the machine, and where it is spoken to.
fn swtpm(segment: &Segment, name: &str) -> Result<(Process, PathBuf)> {
    let state = segment.directory().join("tpm");
    fs::create_dir_all(&state).context("making a directory")?;
    let socket = segment.directory().join(format!("{name}.tpm"));
    let mut swtpm = segment.command("swtpm");
    swtpm.args(["socket", "--tpm2", "--tpmstate", &format!("dir={}", state.display())]);
    swtpm.args(["--ctrl", &format!("type=unixio,path={}", socket.display())]).stderr(Stdio::null());
    let process = Process::start(&mut swtpm)?;
    let began = Instant::now();
    while !socket.exists() {
        ensure!(began.elapsed() < PATIENCE, "swtpm does not listen");
        std::thread::sleep(GLANCE);
    }
    Ok((process, socket))
}
