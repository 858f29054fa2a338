//! Which drivers the ramdisk carries: those that lead to a network, a disk, the firmware's variables or a TPM.
//!
//! A name that a kernel does not have, or has built in, is passed over; what they need comes along by itself. Graphics,
//! sound, wireless, USB storage and file systems stay out: the agent never mounts anything.
//!
//! One list for every kernel: a cloud kernel has few of these, so its ramdisk is small; Debian's kernel for all hardware
//! has them all, and its ramdisk also wants firmware ([`super::firmware`]).

/// Module names, with underscores, by what they are for.
const WANTED: [(&str, &[&str]); 6] = [
    ("buses", &["virtio_pci", "virtio_mmio", "vmd", "hv_vmbus", "pci_hyperv", "i2c_i801"]),
    (
        "virtual",
        &[
            "virtio_net",
            "virtio_blk",
            "virtio_scsi",
            "virtio_rng",
            "hv_netvsc",
            "hv_storvsc",
            "vmxnet3",
            "vmw_pvscsi",
            "ena",
            "gve",
        ],
    ),
    (
        "network",
        &[
            "e1000",
            "e1000e",
            "igb",
            "igc",
            "ixgbe",
            "i40e",
            "ice",
            "iavf",
            "igbvf",
            "ixgbevf",
            "tg3",
            "bnxt_en",
            "bnx2x",
            "r8169",
            "8139cp",
            "8139too",
            "mlx4_en",
            "mlx5_core",
            "be2net",
            "cxgb4",
            "enic",
            "sfc",
            "qede",
            "atlantic",
            "atl1c",
            "alx",
            "sky2",
            "forcedeth",
            "realtek",
        ],
    ),
    (
        "storage",
        &[
            "nvme",
            "ahci",
            "ata_piix",
            "ata_generic",
            "sd_mod",
            "megaraid_sas",
            "mpt3sas",
            "mpi3mr",
            "hpsa",
            "smartpqi",
            "aacraid",
            "isci",
            "3w_sas",
            "mvsas",
            "mptsas",
            "mptspi",
            "sym53c8xx",
            "arcmsr",
            "pm80xx",
            "virtio_scsi",
            "sata_nv",
            "sata_sil",
            "sata_sil24",
            "sata_via",
            "sata_mv",
        ],
    ),
    ("firmware", &["efivarfs", "dmi_sysfs", "tpm_tis", "tpm_crb", "tpm_tis_spi"]),
    ("sockets", &["af_packet"]),
];

/// Wanted whatever the hardware is: nothing announces them.
pub(super) const ALWAYS: [&str; 2] = ["af_packet", "sd_mod"];

/// Is this module one to carry?
pub(super) fn wants(name: &str) -> bool {
    WANTED.iter().any(|(_, names)| names.contains(&name))
}
