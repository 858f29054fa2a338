//! The inventory of machines made of files: what is there is read, what is not is left out.

use std::{fs, os::unix::fs::symlink, path::Path};

use underlay_core::{Bytes, Mac};

use super::{Places, read};

const PCI: &str = "devices/pci0000:00";

/// A tree like /sys and /proc.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A disk at `device`, linked from sys/block as the kernel does.
    fn disk(&self, device: &str, files: &[(&str, &str)]) -> &Self {
        let folder = format!("sys/{PCI}/{device}");
        self.put(&format!("{folder}/size"), "8388608\n").put(&format!("{folder}/removable"), "0\n");
        self.put(&format!("{folder}/queue/logical_block_size"), "512\n");
        for (file, text) in files {
            self.put(&format!("{folder}/{file}"), text);
        }
        let name = device.rsplit('/').next().unwrap();
        self.link(&folder, &format!("sys/block/{name}"))
    }

    fn link(&self, to: &str, at: &str) -> &Self {
        let at = self.0.path().join(at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(self.0.path().join(to), at).unwrap();
        self
    }

    fn read(&self, boot: Option<Mac>) -> underlay_core::agent::Inventory {
        let (sys, proc) = (self.0.path().join("sys"), self.0.path().join("proc"));
        let sys: &Path = &sys;
        read(Places { sys, proc: &proc }, boot)
    }
}

#[test]
fn an_empty_machine_has_no_facts_and_no_made_up_ones() {
    let inventory = Tree::new().read(None);
    assert_eq!(
        (inventory.serial, inventory.uuid, inventory.cpus, inventory.memory),
        (None, None, 0, Bytes(0))
    );
    assert_eq!((inventory.firmware.as_str(), inventory.tpm), ("bios", false));
    assert!(inventory.disks.is_empty() && inventory.nics.is_empty());
}

#[test]
fn smbios_cpu_memory_firmware_and_tpm_are_read_and_placeholders_are_not_believed() {
    let tree = Tree::new();
    tree.put("sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.\n")
        .put("sys/class/dmi/id/product_uuid", "5E1F0000-0000-4000-8000-00000000000A\n")
        .put("sys/class/dmi/id/sys_vendor", "QEMU\n")
        .put("sys/firmware/efi/runtime", "")
        .put("sys/class/tpm/tpm0/tpm_version_major", "2\n")
        .put("proc/cpuinfo", "processor\t: 0\nmodel name\t: A CPU\nprocessor\t: 1\nmodel name\t: A CPU\n")
        .put("proc/meminfo", "MemTotal:         490280 kB\nMemFree: 1 kB\n");
    let inventory = tree.read(None);
    assert_eq!(inventory.serial, None);
    assert_eq!(inventory.uuid.as_deref(), Some("5e1f0000-0000-4000-8000-00000000000a"));
    assert_eq!((inventory.cpus, inventory.cpu_model.as_deref()), (2, Some("A CPU")));
    assert_eq!(
        (inventory.memory, inventory.firmware.as_str(), inventory.tpm),
        (Bytes(490_280 * 1024), "uefi", true)
    );
    assert_eq!(inventory.tpm_version.as_deref(), Some("2.0"));
}

#[test]
fn disks_have_the_names_udev_gives_them() {
    let tree = Tree::new();
    tree.disk("0000:00:08.0/virtio2/block/vda", &[("serial", "DISK-1\n")])
        .disk(
            "0000:00:01.0/0000:01:00.0/nvme/nvme0/nvme0n1",
            &[("nsid", "1\n"), ("wwid", "eui.0025388b710f2a3c\n"), ("device/serial", "NV1\n")],
        )
        .disk(
            "0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0/block/sda",
            &[
                ("queue/rotational", "1\n"),
                ("device/wwid", "naa.5000c500a1b2c3d4\n"),
                ("device/vpd_pg80", "\0\u{1}\0\u{4}WD42"),
            ],
        )
        .put(&format!("sys/{PCI}/0000:00:1f.2/ata2/ata_port/ata2/port_no"), "2\n")
        .disk("0000:00:04.0/virtio1/host6/target6:0:3/6:0:3:1/block/sdb", &[("queue/rotational", "0\n")])
        .put(&format!("sys/{PCI}/0000:00:04.0/virtio1/host5/uevent"), "");
    let disks = tree.read(None).disks;
    let names: Vec<_> =
        disks.iter().map(|disk| (disk.name.as_str(), disk.kind.as_str(), disk.by_path.as_deref())).collect();
    assert_eq!(
        names,
        [
            ("nvme0n1", "nvme", Some("pci-0000:01:00.0-nvme-1")),
            ("sda", "hdd", Some("pci-0000:00:1f.2-ata-2.0")),
            ("sdb", "ssd", Some("pci-0000:00:04.0-scsi-1:0:3:1")),
            ("vda", "virtio", Some("pci-0000:00:08.0")),
        ]
    );
    let serials: Vec<_> = disks.iter().map(|disk| disk.serial.as_deref()).collect();
    assert_eq!(serials, [Some("NV1"), Some("WD42"), None, Some("DISK-1")]);
    assert_eq!(disks[0].wwn.as_deref(), Some("eui.0025388b710f2a3c"));
    assert_eq!(disks[1].wwn.as_deref(), Some("0x5000c500a1b2c3d4"));
    assert!(
        disks.iter().all(|disk| disk.size == Bytes(4 << 30) && disk.sector == 512 && disk.excluded.is_none())
    );
}

#[test]
fn disks_that_are_not_ours_alone_are_excluded_by_name() {
    let tree = Tree::new();
    let wwid = ("device/wwid", "naa.5000c500a1b2c3d4\n");
    tree.disk("0000:00:14.0/usb2/2-1/2-1:1.0/host3/target3:0:0/3:0:0:0/block/sda", &[])
        .disk("0000:00:05.0/virtio3/block/vdb", &[("ro", "1\n")])
        .disk("0000:00:06.0/host7/session1/target7:0:0/7:0:0:0/block/sdc", &[])
        .disk("0000:00:07.0/host8/rport-8:0-1/target8:0:0/8:0:0:0/block/sdd", &[])
        .disk("0000:00:09.0/host9/target9:0:0/9:0:0:0/block/sde", &[wwid])
        .disk("0000:00:09.0/host9/target9:0:1/9:0:1:0/block/sdf", &[wwid])
        .disk("0000:00:0a.0/virtio4/block/vdc", &[("size", "0\n")])
        .disk("virtual/block/loop0", &[]);
    let disks = tree.read(None).disks;
    let found: Vec<_> =
        disks.iter().map(|disk| (disk.name.as_str(), disk.excluded.as_deref().unwrap_or("none"))).collect();
    assert_eq!(
        found,
        [
            ("sda", "removable"),
            ("sdc", "iscsi"),
            ("sdd", "fibre_channel"),
            ("sde", "multipath"),
            ("sdf", "multipath"),
            ("vdb", "read_only"),
        ]
    );
}

#[test]
fn nics_have_link_speed_driver_and_addresses_and_the_boot_nic_is_marked() {
    let tree = Tree::new();
    let folder = format!("sys/{PCI}/0000:00:03.0/net/eth0");
    tree.put(&format!("{folder}/address"), "52:54:00:00:00:0a\n")
        .put(&format!("{folder}/ifindex"), "2\n")
        .put(&format!("{folder}/carrier"), "1\n")
        .put(&format!("{folder}/speed"), "-1\n")
        .put("sys/bus/virtio/drivers/virtio_net/uevent", "")
        .put("sys/devices/virtual/net/lo/address", "00:00:00:00:00:00\n")
        .link("sys/bus/virtio/drivers/virtio_net", &format!("{folder}/device/driver"))
        .link(&folder, "sys/class/net/eth0")
        .link("sys/devices/virtual/net/lo", "sys/class/net/lo")
        .put("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nX\n\
              eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
        .put("proc/net/fib_trie", "Local:\n  |-- 10.0.2.15\n     /32 host LOCAL\n  |-- 127.0.0.1\n     /32 host LOCAL\n");
    let mac: Mac = "52:54:00:00:00:0a".parse().unwrap();
    let nics = tree.read(Some(mac)).nics;
    assert_eq!(nics.len(), 1, "loopback is left out");
    assert_eq!((nics[0].mac, nics[0].link, nics[0].speed, nics[0].boot), (mac, true, None, true));
    assert_eq!(nics[0].driver.as_deref(), Some("virtio_net"));
    assert_eq!(nics[0].addresses, ["10.0.2.15".parse::<std::net::IpAddr>().unwrap()]);
}
