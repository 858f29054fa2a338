//! The command line of one QEMU machine. Pure: the same host gives the same words.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use underlay_core::{
    Mac, ObjectId,
    bmc::Target,
    host::{self, Firmware, Identity},
};
use uuid::Uuid;

use super::{Accelerator, Cache, Config, Error, Ovmf, directory::Directory, directory::SOCKET, quirks};

/// The NIC as QMP names it.
pub(super) const NIC: &str = "/machine/peripheral/nic";

/// How the guest is told apart from outside and inside: given by the operator, or derived from the host's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) mac: Mac,
    pub(super) serial: String,
    pub(super) uuid: Uuid,
}

impl Face {
    pub(super) fn new(host: ObjectId, identity: &Identity) -> Self {
        let digest = blake3::hash(host.0.as_bytes());
        let [a, b, c, ..] = *digest.as_bytes();
        Self {
            mac: identity.boot_mac.unwrap_or(Mac([0x52, 0x54, 0, a, b, c])),
            serial: identity.serial.clone().unwrap_or_else(|| format!("UL{}", tail(host).to_uppercase())),
            uuid: identity.uuid.unwrap_or(host.0),
        }
    }
}

/// Twelve hex digits of the id's random part.
fn tail(host: ObjectId) -> String {
    host.0.simple().to_string().chars().skip(20).collect()
}

/// How the process calls itself, to be known by.
pub(super) fn name(host: ObjectId) -> String {
    format!("underlay-{host}")
}

/// One machine.
pub(super) struct Machine<'a> {
    pub(super) config: &'a Config,
    pub(super) host: ObjectId,
    pub(super) face: &'a Face,
    pub(super) boot: &'a host::Boot,
    pub(super) wanted: &'a host::Qemu,
    pub(super) directory: &'a Directory,
    pub(super) ovmf: Option<&'a Ovmf>,
    pub(super) ports: &'a BTreeMap<u16, u16>,
}

impl Machine<'_> {
    /// QEMU's arguments for a process that has its listening control socket as standard input and is stopped before
    /// the first instruction.
    pub(super) fn stopped(&self, target: Target) -> Result<Vec<String>, Error> {
        let mut words = self.machine(target)?;
        words.extend(quirks::SANDBOX.map(str::to_owned));
        words.extend(
            [
                "-chardev",
                "socket,id=control,fd=0,server=on,wait=off",
                "-mon",
                "chardev=control,mode=control",
                "-S",
            ]
            .map(str::to_owned),
        );
        Ok(words)
    }

    /// QEMU's arguments for a process that is started by hand in the host's directory, boots its disk and goes to the
    /// background by itself.
    pub(super) fn by_hand(&self) -> Result<Vec<String>, Error> {
        let mut words = self.machine(Target::Disk)?;
        words.extend(quirks::DAEMON_SANDBOX.map(str::to_owned));
        words.extend(["-qmp".into(), format!("unix:{SOCKET},server=on,wait=off"), "-daemonize".into()]);
        Ok(words)
    }

    fn machine(&self, target: Target) -> Result<Vec<String>, Error> {
        let mut words = self.frame()?;
        words.extend(self.firmware(target)?);
        words.extend(self.network(target)?);
        words.extend(self.disks()?);
        Ok(words)
    }

    fn frame(&self) -> Result<Vec<String>, Error> {
        let Face { serial, uuid, .. } = self.face;
        let (accelerator, cpu) = match self.config.accelerator {
            Accelerator::Tcg => ("tcg,thread=multi", "max"),
            Accelerator::Kvm => ("kvm", "host"),
        };
        let megabytes = self.wanted.memory.0.div_ceil(1 << 20);
        let console = value(&self.directory.console())?;
        let pid_file = text(&self.directory.pid_file())?;
        let words = [
            "-name",
            &name(self.host),
            "-machine",
            "q35,smm=off,graphics=off",
            "-accel",
            accelerator,
            "-cpu",
            cpu,
            "-smp",
            &self.wanted.cpus.to_string(),
            "-m",
            &format!("{megabytes}M"),
            "-uuid",
            &uuid.to_string(),
            "-smbios",
            &format!("type=1,manufacturer=Underlay,product=QEMU,serial={},uuid={uuid}", escape(serial)),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-vga",
            "none",
            "-monitor",
            "none",
            "-parallel",
            "none",
            "-chardev",
            &format!("file,id=console,append=on,path={console}"),
            "-serial",
            "chardev:console",
            "-device",
            "virtio-rng-pci,id=rng",
            "-boot",
            "strict=on",
            "-pidfile",
            &pid_file,
        ];
        Ok(words.map(str::to_owned).into())
    }

    fn firmware(&self, target: Target) -> Result<Vec<String>, Error> {
        let mut words = Vec::new();
        if self.boot.mode == Firmware::Uefi {
            let ovmf = self.ovmf.ok_or(Error::NoFirmware)?;
            let flash = "if=pflash,format=raw";
            words.extend([
                "-drive".into(),
                format!("{flash},unit=0,readonly=on,file={}", value(&ovmf.code)?),
                "-drive".into(),
                format!("{flash},unit=1,file={}", value(&self.directory.vars())?),
            ]);
        }
        words.extend(quirks::boot_method(self.boot.mode, target));
        Ok(words)
    }

    fn network(&self, target: Target) -> Result<Vec<String>, Error> {
        let mac = self.face.mac;
        let tap = self.wanted.tap.as_deref();
        let netdev = match tap {
            Some(name) => format!("tap,id=net,ifname={},script=no,downscript=no", escape(name)),
            None => {
                let url = self.config.boot_url.replace("{mac}", &mac.to_string());
                if url.len() > 127 {
                    return Err(Error::BootUrl(url));
                }
                let mut netdev = format!("user,id=net,bootfile={}", escape(&url));
                for (guest, port) in self.ports {
                    netdev.push_str(&format!(",hostfwd=tcp:127.0.0.1:{port}-:{guest}"));
                }
                netdev
            }
        };
        let order = match target {
            Target::NetworkOnce | Target::HttpOnce => ",bootindex=0",
            Target::MediaOnce | Target::Disk => "",
        };
        let rom = quirks::nic_rom(self.boot.mode, tap);
        let device = format!("virtio-net-pci,id=nic,netdev=net,mac={mac}{order}{rom}");
        Ok(vec!["-netdev".into(), netdev, "-device".into(), device])
    }

    fn disks(&self) -> Result<Vec<String>, Error> {
        let cache = match self.config.cache {
            Cache::Writeback => "writeback",
            Cache::Unsafe => "unsafe",
        };
        let mut words = Vec::new();
        for position in 0..self.wanted.disks.len() {
            let file = value(&self.directory.disk(position))?;
            let serial = format!("{}-{position}", tail(self.host));
            words.extend([
                "-drive".into(),
                format!(
                    "if=none,id=drive{position},format=raw,cache={cache},discard=unmap,detect-zeroes=unmap,file={file}"
                ),
                "-device".into(),
                format!(
                    "virtio-blk-pci,id=disk{position},drive=drive{position},serial={serial},bootindex={}",
                    position + 1
                ),
            ]);
        }
        Ok(words)
    }
}

fn text(path: &Path) -> Result<String, Error> {
    path.to_str().map(str::to_owned).ok_or_else(|| Error::Path(PathBuf::from(path)))
}

/// A path as the value of one of QEMU's `key=value` options.
fn value(path: &Path) -> Result<String, Error> {
    text(path).map(|text| escape(&text))
}

/// QEMU reads a doubled comma as one.
fn escape(text: &str) -> String {
    text.replace(',', ",,")
}
