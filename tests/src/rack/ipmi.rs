//! A machine whose BMC speaks IPMI: ipmi_sim of OpenIPMI, whose chassis starts and stops a QEMU machine in the segment.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use anyhow::{Context, Result};

use super::{
    parts::printed,
    segment::{Process, Segment},
    specs::Size,
};

/// Who logs in, and the name of the credential in the log.
pub const USER: &str = "operator";
/// A canary: it must stand nowhere but in the simulator's own files.
pub const PASSWORD: &str = "kept-off-argv-7";

/// Without one the simulator has no RMCP+. It is no UUID in any order, so nobody takes it for the machine's.
const GUID: &str = "11111111111111111111111111111111";

/// `chassis MC get|set KEY [VALUE]...`. What it is to start from counts for one power-on, as with a BMC; within that, a
/// restart comes from the disk.
const CHASSIS: &str = r#"#!/bin/bash
cd "$(dirname "$0")" || exit 1
. ./machine
shift; act=$1; shift
runs() { [ -s pid ] && kill -0 "$(cat pid)" 2>/dev/null; }
boots() { cat boot 2>/dev/null || echo default; }
switch_on() {
    runs && return
    once=''
    [ "$(boots)" != pxe ] || once=,once=n
    echo default >boot
    setsid qemu-system-x86_64 -M q35,graphics=off -accel tcg,thread=multi -cpu max -smp 1 -m "$MEMORY" -nodefaults \
        -display none -vga none -monitor none -parallel none -chardev file,id=s0,append=on,path=console -serial chardev:s0 \
        -boot "order=c$once" -drive if=none,id=d0,format=raw,cache=unsafe,file=disk -device virtio-blk-pci,drive=d0 \
        -netdev "tap,id=n0,ifname=$TAP,script=no,downscript=no" -device "virtio-net-pci,netdev=n0,mac=$MAC" \
        </dev/null >qemu.log 2>&1 &
    echo $! >pid
}
if [ "$act" = get ]; then
    for key in "$@"; do
        case $key in
        power) runs && echo power:1 || echo power:0 ;;
        boot) echo "boot:$(boots)" ;;
        esac
    done
    exit 0
fi
while [ $# -gt 1 ]; do
    echo "$1 $2" >>asked
    case $1/$2 in
    power/1) switch_on ;;
    power/*) ! runs || kill -KILL "$(cat pid)"; : >pid ;;
    boot/*) echo "$2" >boot ;;
    esac
    shift 2
done
exit 0
"#;

/// A BMC in the segment with a BIOS machine, switched off; both end with the segment.
pub struct Bmc<'a> {
    segment: &'a Segment,
    directory: PathBuf,
    _process: Process,
}

impl<'a> Bmc<'a> {
    /// Start one.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(segment: &'a Segment, tap: &str, mac: &str, size: Size) -> Result<Self> {
        let directory = segment.directory().join("ipmi");
        fs::create_dir(&directory).context("making the simulator's directory")?;
        let write = |name: &str, text: &str| {
            fs::write(directory.join(name), text).with_context(|| format!("writing the simulator's {name}"))
        };
        write("chassis", CHASSIS)?;
        fs::set_permissions(directory.join("chassis"), PermissionsExt::from_mode(0o755))
            .context("making the chassis a program")?;
        write("machine", &format!("TAP={tap}\nMAC={mac}\nMEMORY={}\n", size.memory))?;
        fs::File::create(directory.join("disk"))
            .and_then(|disk| disk.set_len(size.disk << 20))
            .context("making the disk")?;
        let chassis = directory.join("chassis");
        let config = format!(
            "name \"bmc\"\nset_working_mc 0x20\nstartlan 1\naddr 10.77.0.1 623\npriv_limit admin\n\
             allowed_auths_admin none\nguid {GUID}\nendlan\nchassis_control \"{} 0x20\"\n\
             user 2 true \"{USER}\" \"{PASSWORD}\" admin 10 none\n",
            chassis.display()
        );
        write("lan.conf", &config)?;
        write(
            "sim.emu",
            "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n",
        )?;
        write("secret", PASSWORD)?;
        let mut sim = segment.command("ipmi_sim");
        sim.args(["-n", "-c", "lan.conf", "-f", "sim.emu", "-s", "state"]).current_dir(&directory);
        let log = || fs::File::create(directory.join("log")).context("making the simulator's log");
        let _process = Process::start(sim.stdout(log()?).stderr(log()?))?;
        Ok(Self { segment, directory, _process })
    }

    /// Where it listens.
    pub fn address(&self) -> &'static str {
        "10.77.0.1"
    }

    /// What ipmitool says, with the password in a file.
    ///
    /// # Errors
    /// It fails.
    pub fn tool(&self, words: &str) -> Result<String> {
        let mut tool = self.segment.command("ipmitool");
        tool.args(["-I", "lanplus", "-C", "3", "-N", "5", "-R", "3", "-L", "OPERATOR", "-H", self.address()]);
        tool.args(["-U", USER, "-f"]).arg(self.directory.join("secret")).args(words.split(' '));
        Ok(printed(&mut tool)?.display().to_string())
    }

    /// What the chassis was told to do, a line each.
    pub fn asked(&self) -> String {
        fs::read_to_string(self.directory.join("asked")).unwrap_or_default()
    }

    /// What its machine said on its serial port, over all its power-ons.
    pub fn console(&self) -> PathBuf {
        self.directory.join("console")
    }

    /// Its disk.
    pub fn disk(&self) -> PathBuf {
        self.directory.join("disk")
    }
}
