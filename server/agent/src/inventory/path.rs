//! The name udev's `path_id` gives a disk under /dev/disk/by-path, worked out from where the device hangs in /sys.
//!
//! Covered: virtio, NVMe, ATA, and SCSI hosts on PCI (`pci-0000:00:03.0`, `-nvme-1`, `-ata-1.0`, `-scsi-0:0:1:0`).
//! Anything else has no name here rather than a wrong one.

use std::path::{Component, Path};

use super::sysfs;

/// The by-path name of the disk whose resolved device folder is `device` (`/sys/devices/.../block/vda`).
pub(super) fn by_path(device: &Path) -> Option<String> {
    let parts: Vec<&str> = device
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let (index, pci) = parts.iter().enumerate().rfind(|(_, part)| is_pci(part))?;
    let behind = parts.get(index + 1..)?;
    let name = |tail: String| Some(format!("pci-{pci}{tail}"));
    match behind {
        // A port of a SAS expander or a transport of its own has a name of its own that is not worked out here.
        [..] if behind
            .iter()
            .any(|p| ["session", "rport-", "end_device-", "usb"].iter().any(|t| p.starts_with(t))) =>
        {
            None
        }
        [virtio, "block", _] if virtio.starts_with("virtio") => name(String::new()),
        ["nvme", _, namespace] => name(format!("-nvme-{}", namespace_id(device, namespace)?)),
        [ata, _, _, address, "block", _] if ata.starts_with("ata") => {
            let port = device.ancestors().nth(5)?.join("ata_port").join(ata).join("port_no");
            let port: u32 = sysfs::value(port)?;
            let [_, bus, target, _] = scsi_address(address)?;
            name(if bus == 0 { format!("-ata-{port}.{target}") } else { format!("-ata-{port}.{bus}.0") })
        }
        [.., host, _, address, "block", _] if host.starts_with("host") => {
            let [number, bus, target, lun] = scsi_address(address)?;
            let first = lowest_host(device.ancestors().nth(5)?)?;
            name(format!("-scsi-{}:{bus}:{target}:{lun}", number.checked_sub(first)?))
        }
        _ => None,
    }
}

fn is_pci(part: &str) -> bool {
    let bytes = part.as_bytes();
    bytes.len() == 12
        && bytes.get(4) == Some(&b':')
        && bytes.get(7) == Some(&b':')
        && bytes.get(10) == Some(&b'.')
        && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
}

fn namespace_id(device: &Path, name: &str) -> Option<u32> {
    sysfs::value(device.join("nsid")).or_else(|| name.rsplit('n').next()?.parse().ok())
}

fn scsi_address(text: &str) -> Option<[u64; 4]> {
    let numbers: Vec<u64> = text.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

/// Host numbers count over the whole machine; udev counts from the lowest one of the same parent.
fn lowest_host(parent: &Path) -> Option<u64> {
    let names = std::fs::read_dir(parent).ok()?.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_prefix("host")?.parse().ok()).min()
}
