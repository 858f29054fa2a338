//! A machine with a BMC like OpenBMC's bmcweb: named resources, no override mode, and a service root that says nothing of
//! who made it.

use std::time::Duration;

use super::{
    BmcModel, BootAt, DiskModel, Etags, FULL, InPost, Media, Model, NicsWhileOff, Once, ResetsIn, Root,
    Screen, ShowsMode,
};

/// Like an open-hardware server with bmcweb.
pub const OPENBMC: Model = Model {
    name: "openbmc",
    manufacturer: "Open Compute (simulated)",
    product: "Tioga Pass",
    firmware: "F0C_3A14",
    serial_prefix: "OB",
    cpu: "Intel(R) Xeon(R) Gold 6138 CPU @ 2.00GHz",
    sockets: 2,
    cores: 20,
    memory_gib: 192,
    modules: 12,
    disks: &[DiskModel { model: "MTFDHBE960", kind: "nvme", gib: 894 }],
    nics: 1,
    nic_mbps: 25_000,
    nic_driver: "mlx5_core",
    bmc: BmcModel {
        product: "OpenBmc",
        root: Root { vendor: None, product: None, oem: None },
        firmware: "2.14.0",
        system: "system",
        manager: "bmc",
        screen: Screen::Hidden,
        chassis: "chassis",
        resets: &[
            "On",
            "ForceOff",
            "ForceOn",
            "ForceRestart",
            "GracefulRestart",
            "GracefulShutdown",
            "PowerCycle",
            "Nmi",
        ],
        resets_in: ResetsIn::ActionInfo,
        targets: &["None", "Pxe", "Hdd", "Cd", "Diags", "BiosSetup", "Usb"],
        shows_mode: ShowsMode::No,
        boot_at: BootAt::System,
        in_post: InPost::Takes,
        etags: Etags::Checked,
        sessions: 64,
        full: FULL,
        nics_while_off: NicsWhileOff::Hidden,
        busy_after_change: Duration::ZERO,
        stale_power: Duration::from_secs(4),
        once: Once::Once,
        media: Media::Licensed,
    },
};
