//! The whole way, once per firmware: power off, network boot, agent, image, Debian that calls home and answers by ssh on
//! a tagged VLAN; then the server is stopped, the power is cut, and Debian comes back from its own disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;
use underlay_proto::v1 as pb;

use super::{
    GLANCE, PATIENCE, console, parts,
    segment::{Segment, run},
    server::Server,
    specs::{self, Dhcp, Ready},
};

const MAC: &str = "52:54:00:d0:00:01";
const TAP: &str = "tap0";
/// The address on the VLAN, and ours.
const ADDRESS: &str = "10.220.0.10";
const OURS: &str = "10.220.0.1/24";
/// The whole way takes three to four minutes on an idle machine without KVM.
const WHOLE: Duration = Duration::from_secs(1500);

/// What a firmware does on the way, as the server's log and the console show it.
pub struct Way {
    /// "bios" or "uefi".
    pub mode: &'static str,
    /// "pxe" or "http".
    pub method: &'static str,
    /// Loaders it fetches by TFTP, as `underlay_tftp_completed` counts them: at least so many.
    pub loaders: u64,
}

/// Deploy Debian over that way, then live without the server.
///
/// # Errors
/// Whatever does not hold.
pub async fn deploys_and_lives_alone(way: Way) -> Result<()> {
    let segment = Segment::new(&[TAP])?;
    let _vlan = segment.vlan(220, OURS)?;
    let key = ssh_key(&segment)?;
    let mut server = Server::start(&segment, &["--start-patience", "1200"]).await?;
    let client = server.client();
    let began = Instant::now();
    let story =
        |what: &str| eprintln!("{} {}: {:6.1} s {what}", way.mode, way.method, began.elapsed().as_secs_f64());

    client.put_network("boot", specs::network(Dhcp::Server, "")).await?;
    let image = client.import("debian", debian(&server)?, WHOLE).await?;
    story("image imported");
    let host = client.put_host("r1", specs::qemu(TAP, MAC, way.mode, way.method, specs::LARGE)).await?;
    let host = server.data().join("qemu").join(host.meta.context("a host has an id")?.id);
    let spec = pb::MachineSpec {
        ssh_keys: vec![fs::read_to_string(key.with_extension("pub")).context("reading the public key")?],
        network: Some(specs::tagged(220, &format!("{ADDRESS}/24"))),
        ..specs::machine(&image, "r1", Ready::Booted)
    };
    client.put_profile("base", profile(), r#"{"app.key": "s3cret \"quoted\""}"#).await?;
    let request = pb::PutMachineRequest {
        spec: Some(pb::MachineSpec { profiles: vec!["base".into()], ..spec }),
        // It has files of its own: both are written.
        user_data: Some("#cloud-config\nwrite_files:\n- {path: /etc/mine, content: mine}\n".into()),
        ..Default::default()
    };
    client.put_machine_as("web", request).await?;
    client
        .machine_when("web", WHOLE, |machine| !["", "pending"].contains(&super::client::phase(machine)))
        .await?;
    story("power on");
    for word in ["imaging", "starting"] {
        let reached =
            |machine: &pb::Machine| [word, "ready", "failed"].contains(&super::client::phase(machine));
        client.machine_when("web", WHOLE, reached).await?;
        story(word);
    }
    let ready = client.machine_ready("web", WHOLE).await?.status.context("a machine has a status")?;
    story("Debian called home");
    ensure!(ready.deployments == 1, "imaged {} times", ready.deployments);
    ensure!(ready.ssh_host_keys.iter().any(|key| key.starts_with("ssh-ed25519")), "no host key came home");
    let inventory = ready.inventory.context("the agent left an inventory")?;
    ensure!(inventory.firmware == way.mode, "the agent booted by {}", inventory.firmware);
    let loaded = counter(&segment, "underlay_tftp_completed")?;
    ensure!(
        loaded >= way.loaders,
        "{loaded} loaders were fetched by TFTP, at least {} expected",
        way.loaders
    );

    let first = ssh(&segment, &key, "cat /proc/sys/kernel/random/boot_id").await?;
    ensure!(ssh(&segment, &key, "hostname").await? == "web", "its name is not the machine's");
    story("ssh over the tagged VLAN");
    finds_its_attributes(&segment, &key).await?;
    ssh(&segment, &key, "sync").await?;

    server.stop().await?;
    segment.cut_power()?;
    // By the script that the driver leaves for this: the machine's disk, and nobody to ask.
    let cold = Instant::now();
    run(segment.command(host.join("start.sh")).current_dir(&host))?;
    let second = ssh(&segment, &key, "cat /proc/sys/kernel/random/boot_id").await?;
    ensure!(first != second, "it never went off");
    let vlan = ssh(&segment, &key, "ip -br address show v220").await?;
    ensure!(vlan.contains(&format!("{ADDRESS}/24")), "the VLAN has {vlan}");
    story(&format!("without the server: up again {:.1} s after a cold start", cold.elapsed().as_secs_f64()));
    console::says(&host.join("console.log"), "login:", 1, PATIENCE).await?;
    Ok(())
}

/// What is injected: values, a secret, and a file with places for both.
fn profile() -> pb::ProfileSpec {
    let declared = |ty: &str, secret| pb::Declaration {
        r#type: ty.into(),
        secret,
        required: true,
        ..Default::default()
    };
    let template = "{{#ntp.servers}}\nserver {{.}}\n{{/ntp.servers}}\nkey={{shell app.key}}\n";
    let file = pb::ProfileFile { template: Some(template.into()), mode: "0640".into(), ..Default::default() };
    pb::ProfileSpec {
        schema: [
            ("ntp.servers".into(), declared("list(string)", false)),
            ("app.key".into(), declared("string", true)),
        ]
        .into(),
        values: [("ntp.servers".into(), r#"["10.0.0.1", "10.0.0.2"]"#.into())].into(),
        secret_values: Some(pb::SecretValues { version: 1, ..Default::default() }),
        files: [("/etc/app.conf".into(), file)].into(),
    }
}

async fn finds_its_attributes(segment: &Segment, key: &Path) -> Result<()> {
    let read = "stat -c '%a %U' /etc/underlay/secrets.json /etc/app.conf /etc/underlay/values.json; \
                cat /etc/app.conf /etc/mine; echo; tr -d ' \\n' < /etc/underlay/values.json";
    let found = ssh(segment, key, read).await?;
    let expected = "600 root\n640 root\n644 root\nserver 10.0.0.1\nserver 10.0.0.2\nkey='s3cret \"quoted\"'\nmine\n\
                    {\"ntp.servers\":[\"10.0.0.1\",\"10.0.0.2\"]}";
    ensure!(found == expected, "its attributes are:\n{found}\nand not:\n{expected}");
    Ok(())
}

/// The sum of the Prometheus counters whose name begins so.
///
/// # Errors
/// The server does not answer, or has no such counter.
pub fn counter(segment: &Segment, name: &str) -> Result<u64> {
    let (_, text) = segment.http("http://127.0.0.1:7481/metrics", None)?;
    let line =
        text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name} in:\n{text}"))?;
    let value = line.rsplit(' ').next().unwrap_or_default();
    value.parse().with_context(|| format!("no number in {line}"))
}

/// The Debian image where the server may read it.
///
/// # Errors
/// It cannot be made or placed.
pub fn debian(server: &Server<'_>) -> Result<pb::ImageSpec> {
    placed(server, parts::debian()?)
}

/// The same with LVM and md in it.
///
/// # Errors
/// It cannot be made or placed.
pub fn debian_with_storage(server: &Server<'_>) -> Result<pb::ImageSpec> {
    placed(server, parts::debian_with_storage()?)
}

fn placed(server: &Server<'_>, image: PathBuf) -> Result<pb::ImageSpec> {
    let sums =
        fs::read_to_string(format!("{}.sha256", image.display())).context("reading the image's checksum")?;
    let sha256 = sums.split_whitespace().next().context("a checksum file begins with it")?.to_owned();
    let path = server.images().join("debian-12.raw.zst");
    fs::hard_link(&image, &path)
        .or_else(|_| fs::copy(&image, &path).map(drop))
        .context("placing the image")?;
    Ok(pb::ImageSpec { url: format!("file://{}", path.display()), sha256, ..Default::default() })
}

fn ssh_key(segment: &Segment) -> Result<PathBuf> {
    let key = segment.directory().join("ssh");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&key))?;
    Ok(key)
}

/// What a command prints on the machine, as root; tried until it answers.
async fn ssh(segment: &Segment, key: &Path, command: &str) -> Result<String> {
    let began = Instant::now();
    loop {
        let mut ssh = segment.command("ssh");
        ssh.arg("-i").arg(key).args(["-q", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        let output = ssh.arg(format!("root@{ADDRESS}")).arg(command).output().context("running ssh")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        if began.elapsed() > WHOLE {
            bail!("{ADDRESS} does not answer by ssh: {}", String::from_utf8_lossy(&output.stderr));
        }
        sleep(GLANCE).await;
    }
}
