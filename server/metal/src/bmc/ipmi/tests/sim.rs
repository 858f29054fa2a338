//! ipmi_sim of OpenIPMI, a BMC that others wrote, with ipmitool beside it, which others wrote too.
//!
//! Without them (`scripts/setup.sh metal`) this says so and passes; under `CI=true` it fails.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use tempfile::TempDir;
use underlay_core::{
    bmc::{Bmc as _, Power, Target},
    host::{Firmware, Identity},
};

use super::{
    bmc::{Bmc, PASSWORD, USER, fru},
    driver_of, spec,
};
use crate::bmc::conformance;

/// A chassis that remembers what was set: `get KEY...` and `set KEY VALUE...`.
const CHASSIS: &str = r#"#!/bin/bash
cd "$(dirname "$0")" || exit 1
shift; act=$1; shift
if [ "$act" = get ]; then
    for key in "$@"; do
        [ -e "$key" ] || case $key in boot) echo default >boot ;; *) echo 0 >"$key" ;; esac
        echo "$key:$(cat "$key")"
    done
else
    while [ $# -gt 1 ]; do echo "$2" >"$1"; shift 2; done
fi
"#;
/// Backwards, as IPMI has it, this is a UUID.
const UUID: &str = "0189ab45-cdef-7123-8567-89abcdef0123";

/// A simulator; ends with its test.
struct Sim {
    process: Child,
    work: TempDir,
    address: String,
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/local/bin"]
        .map(|path| Path::new(path).join(name))
        .into_iter()
        .find(|path| path.exists())
}

/// Are the two there?
fn met() -> bool {
    if program("ipmi_sim").is_some() && program("ipmitool").is_some() {
        return true;
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has ipmi_sim and ipmitool");
    eprintln!("skipped: no ipmi_sim or no ipmitool; scripts/setup.sh metal installs them");
    false
}

/// Below those that the kernel gives to whoever asks for any.
const PORT: u16 = 6230;

/// An address that no other simulator on this machine has, in this process or another.
fn own_address() -> std::net::Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let [.., high, middle, low] = std::process::id().to_be_bytes();
    // A pid has 22 bits at most; three simulators fit beside it, and 127.0 is everybody's.
    let beside = LAST.fetch_add(1, Ordering::Relaxed);
    assert!(high < 0x40 && beside < 3, "a pid of 22 bits and three simulators");
    std::net::Ipv4Addr::new(127, high << 2 | (beside + 1), middle, low)
}

impl Sim {
    fn start() -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let path = work.path().to_str().expect("a path");
        let write = |name: &str, text: &str| fs::write(work.path().join(name), text).expect("written");
        write("chassis", CHASSIS);
        fs::set_permissions(work.path().join("chassis"), PermissionsExt::from_mode(0o755)).expect("its own");
        // It takes no port 0: a loopback address of its own, and a port that nobody is given by chance.
        let address = own_address();
        let guid: String = UUID.replace('-', "");
        let guid: String = (0..16).rev().map(|at| &guid[2 * at..2 * at + 2]).collect();
        let config = format!(
            "name \"bmc\"\nset_working_mc 0x20\nstartlan 1\naddr {address} {PORT}\npriv_limit admin\n\
             allowed_auths_admin none\nguid {guid}\nendlan\nchassis_control \"{path}/chassis 0x20\"\n\
             user 2 true \"{USER}\" \"{PASSWORD}\" admin 10 none\n"
        );
        let inventory = fru("SN-17");
        let bytes: String = inventory.iter().map(|byte| format!(" {byte:#04x}")).collect();
        let emulated = format!(
            "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
             mc_add_fru_data 0x20 0 {} data{bytes}\nmc_enable 0x20\n",
            inventory.len()
        );
        write("lan.conf", &config);
        write("sim.emu", &emulated);
        let process = Command::new("ipmi_sim")
            .args(["-n", "-c", "lan.conf", "-f", "sim.emu", "-s"])
            .arg(work.path().join("state"))
            .current_dir(work.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        Self { process, work, address: format!("{address}:{PORT}") }
    }

    /// What ipmitool says, with the password in a file.
    fn tool(&self, suite: &str, words: &str) -> String {
        tool(self.work.path(), &self.address, suite, words)
    }
}

fn tool(work: &Path, address: &str, suite: &str, words: &str) -> String {
    let secret = work.join("secret");
    fs::write(&secret, PASSWORD).expect("written");
    let (host, port) = address.split_once(':').expect("a port");
    let said = Command::new("ipmitool")
        .args(["-I", "lanplus", "-C", suite, "-N", "5", "-R", "2", "-L", "OPERATOR", "-H", host, "-p", port])
        .args(["-U", USER, "-f"])
        .arg(&secret)
        .args(words.split(' '))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{words}: {text} {}", String::from_utf8_lossy(&said.stderr));
    text
}

#[tokio::test]
async fn it_passes_the_conformance_suite_against_ipmi_sim() {
    if !met() {
        return;
    }
    let sim = Sim::start();
    let identity = Identity { uuid: UUID.parse().ok(), serial: Some("sn-17".into()), ..Identity::default() };
    let driver = driver_of(&spec(&sim.address), Firmware::Uefi, &identity, PASSWORD);
    // It is asked from its first moment on: what comes before it listens is refused at once.
    let first = loop {
        match driver.observe().await {
            Err(underlay_core::bmc::Error::Unreachable { .. }) => tokio::task::yield_now().await,
            seen => break seen.expect("it answers"),
        }
    };
    assert_eq!(first.uuid.as_deref(), Some(UUID));
    assert_eq!(first.serial.as_deref(), Some("SN-17"));
    underlay_core::identity::claimed(&identity, &first).expect("it is the box that was enrolled");
    conformance::run(&driver, conformance::Patience::Seconds).await;
}

#[tokio::test]
async fn ipmitool_reads_what_the_driver_sets() {
    if !met() {
        return;
    }
    let sim = Sim::start();
    let driver = driver_of(&spec(&sim.address), Firmware::Bios, &Identity::default(), PASSWORD);
    while let Err(underlay_core::bmc::Error::Unreachable { .. }) = driver.observe().await {
        tokio::task::yield_now().await;
    }
    for (target, said, kept) in
        [(Target::NetworkOnce, "Force PXE", "pxe"), (Target::Disk, "Hard-Drive", "default")]
    {
        driver.ensure_next_boot(target).await.expect("it is accepted");
        let flags = sim.tool("3", "chassis bootparam get 5");
        assert!(flags.contains(said), "{target:?}: {flags}");
        assert_eq!(fs::read_to_string(sim.work.path().join("boot")).expect("it is there").trim(), kept);
    }
    for (power, said) in [(Power::On, "is on"), (Power::Off, "is off")] {
        driver.ensure_power(power).await.expect("it is accepted");
        assert!(sim.tool("3", "power status").contains(said), "{power:?}");
    }
    sim.tool("3", "power on");
    assert_eq!(driver.observe().await.expect("it answers").power, Power::On, "and the other way round");
}

/// ipmi_sim knows no suite 17, so it is our own BMC that ipmitool speaks it with: its hashes and seals are the driver's.
#[tokio::test(flavor = "multi_thread")]
async fn ipmitool_comes_to_the_same_hashes_and_seals_in_both_suites() {
    if !met() {
        return;
    }
    for suite in ["3", "17"] {
        let bmc = Bmc::start(None).await;
        let (address, work) = (bmc.address.to_string(), tempfile::tempdir().expect("a directory"));
        let said = tokio::task::spawn_blocking(move || tool(work.path(), &address, suite, "power status"));
        assert!(said.await.expect("it ends").contains("is off"), "suite {suite}");
        assert_eq!(bmc.state().opened, 1);
    }
}
