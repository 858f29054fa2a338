//! The machine itself: SMBIOS identity, CPU, memory, firmware, TPM; and the whole inventory put together.

use std::{fs, path::Path};

use underlay_core::{Bytes, Mac, agent::Inventory};

use super::{dimms, disks, gpus, nics, pci, sysfs};

/// Where the kernel shows its facts; tests put a tree of their own there.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// `/sys`.
    pub sys: &'a Path,
    /// `/proc`.
    pub proc: &'a Path,
}

/// What vendors write into SMBIOS where they should have written something.
const PLACEHOLDERS: [&str; 9] = [
    "not specified",
    "to be filled by o.e.m.",
    "default string",
    "system serial number",
    "none",
    "n/a",
    "0",
    "0123456789",
    "03000200-0400-0500-0006-000700080009",
];

impl Places<'static> {
    /// The running machine.
    pub fn real() -> Self {
        Places { sys: Path::new("/sys"), proc: Path::new("/proc") }
    }
}

/// Reads everything. `boot` is the MAC of the NIC the agent booted over.
pub fn read(places: Places<'_>, boot: Option<Mac>) -> Inventory {
    let dmi = |name: &str| {
        let text = sysfs::text(places.sys.join("class/dmi/id").join(name))?;
        (!PLACEHOLDERS.contains(&text.to_lowercase().as_str())).then_some(text)
    };
    let cpus = fs::read_to_string(places.proc.join("cpuinfo")).unwrap_or_default();
    let uefi = places.sys.join("firmware/efi").exists();
    Inventory {
        serial: dmi("product_serial"),
        uuid: dmi("product_uuid").map(|uuid| uuid.to_lowercase()),
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        arch: std::env::consts::ARCH.into(),
        firmware: if uefi { "uefi" } else { "bios" }.into(),
        firmware_version: dmi("bios_version"),
        cpu_model: field(&cpus, "model name"),
        cpus: u32::try_from(cpus.lines().filter(|line| line.starts_with("processor")).count())
            .unwrap_or(u32::MAX),
        memory: memory(&fs::read_to_string(places.proc.join("meminfo")).unwrap_or_default()),
        tpm: fs::read_dir(places.sys.join("class/tpm")).is_ok_and(|mut entries| entries.next().is_some()),
        tpm_version: tpm_version(places.sys),
        endorsement: None,
        disks: disks::read(places.sys),
        nics: nics::read(places, boot),
        gpus: gpus::read(places.sys),
        numa: pci::nodes(places.sys),
        pci: pci::devices(places.sys),
        dimms: dimms::read(places.sys),
    }
}

/// As the kernel tells the two apart.
fn tpm_version(sys: &Path) -> Option<String> {
    match sysfs::value(sys.join("class/tpm/tpm0/tpm_version_major"))? {
        1 => Some("1.2".into()),
        2 => Some("2.0".into()),
        _ => None,
    }
}

/// The value of the first `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value)
    })?;
    sysfs::clean(value.as_bytes())
}

fn memory(meminfo: &str) -> Bytes {
    let total = field(meminfo, "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
    Bytes(total.unwrap_or(0).saturating_mul(1024))
}
