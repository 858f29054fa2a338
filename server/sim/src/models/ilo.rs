//! A machine with a BMC like HPE's iLO: wants If-Match, hides NICs while off, takes no boot source during POST and no boot
//! mode at all, and asks for a licence.

use std::time::Duration;

use super::{
    BmcModel, BootAt, DiskModel, Etags, Full, InPost, Media, Model, NicsWhileOff, Once, ResetsIn, Root,
    Screen, ShowsMode,
};

/// Like a ProLiant with an iLO.
pub const ILO: Model = Model {
    name: "ilo",
    manufacturer: "HPE",
    product: "ProLiant DL360 Gen10 (simulated)",
    firmware: "U32 v2.72",
    serial_prefix: "CZ",
    cpu: "Intel(R) Xeon(R) Silver 4214 CPU @ 2.20GHz",
    sockets: 2,
    cores: 12,
    memory_gib: 128,
    modules: 8,
    disks: &[
        DiskModel { model: "VK000960GWTHB", kind: "nvme", gib: 894 },
        DiskModel { model: "MB004000GWKGR", kind: "hdd", gib: 3726 },
    ],
    nics: 4,
    nic_mbps: 10_000,
    nic_driver: "tg3",
    bmc: BmcModel {
        product: "iLO 5 (simulated)",
        root: Root { vendor: Some("HPE"), product: Some("ProLiant DL360 Gen10"), oem: Some("Hpe") },
        firmware: "2.78",
        system: "1",
        manager: "1",
        screen: Screen::Hidden,
        chassis: "1",
        resets: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "ForceRestart",
            "Nmi",
            "PushPowerButton",
            "GracefulRestart",
        ],
        resets_in: ResetsIn::AllowableValues,
        targets: &[
            "None",
            "Cd",
            "Hdd",
            "Usb",
            "SDCard",
            "Utilities",
            "Diags",
            "BiosSetup",
            "Pxe",
            "UefiShell",
            "UefiHttp",
            "UefiTarget",
        ],
        shows_mode: ShowsMode::ReadOnly,
        boot_at: BootAt::System,
        in_post: InPost::Refuses,
        etags: Etags::Required,
        sessions: 6,
        full: Full { status: 400, message: "iLO.2.37.CreateLimitReachedForResource" },
        nics_while_off: NicsWhileOff::Hidden,
        busy_after_change: Duration::ZERO,
        stale_power: Duration::from_secs(4),
        once: Once::Once,
        media: Media::Unlicensed,
    },
};
