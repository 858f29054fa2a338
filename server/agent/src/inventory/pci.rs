//! The PCI bus, and what of memory and CPUs is near to each other.

use std::{fs, path::Path};

use underlay_core::{
    Bytes,
    agent::{NumaNode, PciDevice},
};

use super::sysfs;

/// The most functions that are told; what has more has them behind switches of accelerators.
const FUNCTIONS: usize = 256;
/// The most nodes.
const NODES: usize = 64;

/// Functions by address; those that another one made up (SR-IOV) are left out.
pub fn devices(sys: &Path) -> Vec<PciDevice> {
    let entries = fs::read_dir(sys.join("bus/pci/devices")).into_iter().flatten().flatten();
    let mut found: Vec<PciDevice> = entries
        .filter(|entry| !entry.path().join("physfn").exists())
        .filter_map(|entry| {
            let path = entry.path();
            let hex = |name: &str| {
                u32::from_str_radix(sysfs::text(path.join(name))?.trim_start_matches("0x"), 16).ok()
            };
            let (class, vendor, device) = (hex("class")?, hex("vendor")?, hex("device")?);
            let driver = fs::canonicalize(path.join("driver")).ok();
            Some(PciDevice {
                address: entry.file_name().into_string().ok()?,
                class: format!("{:04x}", class >> 8),
                device: format!("{vendor:04x}:{device:04x}"),
                driver: driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())),
            })
        })
        .collect();
    found.sort_by(|one, other| one.address.cmp(&other.address));
    found.truncate(FUNCTIONS);
    found
}

/// Nodes by their numbers.
pub fn nodes(sys: &Path) -> Vec<NumaNode> {
    let entries = fs::read_dir(sys.join("devices/system/node")).into_iter().flatten().flatten();
    let mut found: Vec<NumaNode> = entries
        .filter_map(|entry| {
            let node = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
            // "Node 0 MemTotal:       98765432 kB"
            let memory = sysfs::text(entry.path().join("meminfo")).and_then(|text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                let at = words.iter().position(|word| *word == "MemTotal:")?;
                words.get(at + 1)?.parse::<u64>().ok()
            });
            let cpus = sysfs::text(entry.path().join("cpulist")).unwrap_or_default();
            let cpus = cpus.chars().take(256).collect();
            Some(NumaNode { node, cpus, memory: Bytes(memory.unwrap_or_default().saturating_mul(1024)) })
        })
        .collect();
    found.sort_by_key(|node| node.node);
    found.truncate(NODES);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn functions_are_listed_with_their_drivers_and_virtual_ones_are_not() {
        let sys = tempfile::tempdir().unwrap();
        let bus = sys.path().join("bus/pci");
        let ids = [("class", "0x020000"), ("vendor", "0x8086"), ("device", "0x1521")];
        put(&bus.join("devices/0000:3b:00.0"), &ids);
        put(&bus.join("devices/0000:3b:10.0"), &ids);
        put(
            &bus.join("devices/0000:04:00.0"),
            &[("class", "0x010802"), ("vendor", "0x144d"), ("device", "0xa808")],
        );
        fs::create_dir_all(bus.join("drivers/igb")).unwrap();
        std::os::unix::fs::symlink("../../drivers/igb", bus.join("devices/0000:3b:00.0/driver")).unwrap();
        std::os::unix::fs::symlink("../0000:3b:00.0", bus.join("devices/0000:3b:10.0/physfn")).unwrap();
        let found = devices(sys.path());
        let words: Vec<_> =
            found.iter().map(|it| (it.class.as_str(), it.device.as_str(), it.driver.as_deref())).collect();
        assert_eq!(words, [("0108", "144d:a808", None), ("0200", "8086:1521", Some("igb"))]);
        assert_eq!(devices(Path::new("/nonexistent")), []);
    }

    #[test]
    fn nodes_have_their_cpus_and_memory() {
        let sys = tempfile::tempdir().unwrap();
        let nodes_at = sys.path().join("devices/system/node");
        let node = |memory: &str| format!("Node 1 MemTotal:       {memory} kB\nNode 1 MemFree:  7 kB");
        put(&nodes_at.join("node1"), &[("cpulist", "16-31"), ("meminfo", &node("2048"))]);
        put(&nodes_at.join("node0"), &[("cpulist", "0-15"), ("meminfo", &node("1024"))]);
        put(&nodes_at.join("power"), &[]);
        let found: Vec<_> = nodes(sys.path()).into_iter().map(|it| (it.node, it.cpus, it.memory.0)).collect();
        assert_eq!(found, [(0, "0-15".into(), 1 << 20), (1, "16-31".into(), 2 << 20)]);
    }
}
