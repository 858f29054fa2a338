//! A machine with a BMC like Supermicro's: few sessions, resets in an ActionInfo, an ETag that never fits, a boot mode that
//! has to be said each time.

use std::time::Duration;

use super::{
    BmcModel, BootAt, DiskModel, Etags, FULL, InPost, Media, Model, NicsWhileOff, Once, ResetsIn, Root,
    Screen, ShowsMode,
};

/// Like an X12 board.
pub const SUPERMICRO: Model = Model {
    name: "supermicro",
    manufacturer: "Supermicro",
    product: "SYS-510P-WTR (simulated)",
    firmware: "1.4b",
    serial_prefix: "S",
    cpu: "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz",
    sockets: 1,
    cores: 28,
    memory_gib: 128,
    modules: 8,
    disks: &[DiskModel { model: "SAMSUNG MZQL2960", kind: "nvme", gib: 894 }],
    nics: 2,
    nic_mbps: 10_000,
    nic_driver: "i40e",
    bmc: BmcModel {
        product: "BMC (simulated)",
        root: Root { vendor: Some("Supermicro"), product: None, oem: Some("Supermicro") },
        firmware: "01.01.48",
        system: "1",
        manager: "1",
        screen: Screen::Hidden,
        chassis: "1",
        resets: &["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi", "ForceOn"],
        resets_in: ResetsIn::ActionInfo,
        targets: &[
            "None",
            "Pxe",
            "Floppy",
            "Cd",
            "Usb",
            "Hdd",
            "BiosSetup",
            "UsbCd",
            "UefiBootNext",
            "UefiHttp",
        ],
        shows_mode: ShowsMode::FallsBack,
        boot_at: BootAt::System,
        in_post: InPost::Takes,
        etags: Etags::Fickle,
        sessions: 4,
        full: FULL,
        nics_while_off: NicsWhileOff::Listed,
        busy_after_change: Duration::ZERO,
        stale_power: Duration::from_secs(3),
        once: Once::Once,
        media: Media::Unlicensed,
    },
};
