//! Block devices that could hold a system, and why some of them must never be written.

use std::{fs, path::Path};

use underlay_core::{
    Bytes,
    agent::{Disk, Health},
};

use super::{path, sysfs};

/// What is no disk at all.
const NO_DISKS: [&str; 10] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock", "drbd"];
/// /sys counts sizes in these, whatever the disk's own sectors are.
const SYSFS_SECTOR: u64 = 512;

/// All disks, by kernel name.
pub(super) fn read(sys: &Path) -> Vec<Disk> {
    let entries = fs::read_dir(sys.join("block")).into_iter().flatten().flatten();
    let mut disks: Vec<Disk> = entries
        .filter_map(|entry| {
            Some((entry.file_name().into_string().ok()?, fs::canonicalize(entry.path()).ok()?))
        })
        .filter(|(name, _)| !NO_DISKS.iter().any(|prefix| name.starts_with(prefix)))
        .filter_map(|(name, device)| disk(name, &device))
        .collect();
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    exclude_multipath(&mut disks);
    disks
}

fn disk(name: String, device: &Path) -> Option<Disk> {
    let sectors: u64 = sysfs::value(device.join("size")).filter(|sectors| *sectors > 0)?;
    if sysfs::value(device.join("hidden")) == Some(1_u8) {
        return None;
    }
    Some(Disk {
        by_path: path::by_path(device),
        serial: serial(device),
        wwn: wwn(device),
        model: sysfs::text(device.join("device/model")),
        kind: kind(&name, device).into(),
        size: Bytes(sectors.saturating_mul(SYSFS_SECTOR)),
        sector: sysfs::value(device.join("queue/logical_block_size")).unwrap_or(512),
        excluded: exclusion(device).map(str::to_owned),
        health: health(device),
        name,
    })
}

fn kind(name: &str, device: &Path) -> &'static str {
    if name.starts_with("nvme") {
        "nvme"
    } else if name.starts_with("vd") {
        "virtio"
    } else if sysfs::value(device.join("queue/rotational")) == Some(1_u8) {
        "hdd"
    } else {
        "ssd"
    }
}

/// virtio keeps it with the block device, NVMe with the controller, SCSI in vital product data page 0x80 (SPC-4 7.8.13).
fn serial(device: &Path) -> Option<String> {
    let page = || sysfs::clean(sysfs::bytes(device.join("device/vpd_pg80"))?.get(4..)?);
    sysfs::text(device.join("serial")).or_else(|| sysfs::text(device.join("device/serial"))).or_else(page)
}

/// As udev writes it: `0x5000c500a1b2c3d4` for a NAA name, `eui.0025388b710f2a3c` for NVMe.
fn wwn(device: &Path) -> Option<String> {
    let id = sysfs::text(device.join("wwid")).or_else(|| sysfs::text(device.join("device/wwid")))?;
    match id.strip_prefix("naa.") {
        Some(hex) => Some(format!("0x{hex}")),
        None => id.starts_with("eui.").then_some(id),
    }
}

/// What the kernel shows of its health: the state it holds the disk in, a sensor, and what it counted. What the disk itself says
/// comes from [`super::health`].
fn health(device: &Path) -> Option<Health> {
    let state = sysfs::text(device.join("device/state"));
    let celsius = || {
        let sensors = fs::read_dir(device.join("device")).into_iter().flatten().flatten();
        let folders = sensors.filter(|entry| entry.file_name().to_string_lossy().starts_with("hwmon"));
        // NVMe has them right beneath the controller, SCSI one level further down.
        let nested = |path: std::path::PathBuf| {
            let deeper = fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
            std::iter::once(path.clone()).chain(deeper).collect::<Vec<_>>()
        };
        let thousandths: i32 = folders
            .flat_map(|entry| nested(entry.path()))
            .find_map(|path| sysfs::value(path.join("temp1_input")))?;
        Some(thousandths / 1000)
    };
    let errors = || {
        let hex = sysfs::text(device.join("device/ioerr_cnt"))?;
        u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok()
    };
    let health = Health {
        state: state.filter(|state| !["live", "running"].contains(&state.as_str())),
        celsius: celsius(),
        errors: errors(),
        ..Health::default()
    };
    (health != Health::default()).then_some(health)
}

/// A disk that may be in somebody else's hands, or in nobody's for long, is never written.
fn exclusion(device: &Path) -> Option<&'static str> {
    let flag = |file: &str| sysfs::value(device.join(file)) == Some(1_u8);
    let hangs_on =
        |prefix: &str| device.iter().filter_map(|part| part.to_str()).any(|part| part.starts_with(prefix));
    if flag("removable") || hangs_on("usb") {
        Some("removable")
    } else if flag("ro") {
        Some("read_only")
    } else if hangs_on("session") {
        Some("iscsi")
    } else if hangs_on("rport-") {
        Some("fibre_channel")
    } else if is_multipath_member(device) {
        Some("multipath")
    } else {
        None
    }
}

fn is_multipath_member(device: &Path) -> bool {
    let holders = fs::read_dir(device.join("holders")).into_iter().flatten().flatten();
    let mut ids = holders.filter_map(|holder| sysfs::text(holder.path().join("dm/uuid")));
    ids.any(|id| id.starts_with("mpath-"))
}

/// Two disks with one world wide name are two paths to one disk, even where no multipath daemon runs.
fn exclude_multipath(disks: &mut [Disk]) {
    let names: Vec<Option<String>> = disks.iter().map(|disk| disk.wwn.clone()).collect();
    for disk in disks {
        let same = names.iter().filter(|name| name.is_some() && **name == disk.wwn).count();
        if same > 1 && disk.excluded.is_none() {
            disk.excluded = Some("multipath".into());
        }
    }
}
