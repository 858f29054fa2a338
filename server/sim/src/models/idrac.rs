//! A machine with a BMC like Dell's iDRAC: jobs, a queue that is busy for a while, a power state that is late.

use std::time::Duration;

use super::{
    BmcModel, BootAt, DiskModel, Etags, Full, InPost, Media, Model, NicsWhileOff, Once, ResetsIn, Root,
    Screen, ShowsMode,
};

/// Like a PowerEdge with an iDRAC.
pub const IDRAC: Model = Model {
    name: "idrac",
    manufacturer: "Dell Inc.",
    product: "PowerEdge R650 (simulated)",
    firmware: "1.12.1",
    serial_prefix: "D",
    cpu: "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
    sockets: 2,
    cores: 32,
    memory_gib: 256,
    modules: 16,
    disks: &[
        DiskModel { model: "DELLBOSS VD", kind: "ssd", gib: 447 },
        DiskModel { model: "ST4000NM017B", kind: "hdd", gib: 3726 },
        DiskModel { model: "ST4000NM017B", kind: "hdd", gib: 3726 },
    ],
    nics: 4,
    nic_mbps: 25_000,
    nic_driver: "bnxt_en",
    bmc: BmcModel {
        product: "Integrated Dell Remote Access Controller (simulated)",
        root: Root {
            vendor: Some("Dell"),
            product: Some("Integrated Dell Remote Access Controller"),
            oem: Some("Dell"),
        },
        firmware: "6.10.80.00",
        system: "System.Embedded.1",
        manager: "iDRAC.Embedded.1",
        screen: Screen::Exported,
        chassis: "System.Embedded.1",
        resets: &[
            "On",
            "ForceOff",
            "ForceRestart",
            "GracefulRestart",
            "GracefulShutdown",
            "PushPowerButton",
            "Nmi",
            "PowerCycle",
        ],
        resets_in: ResetsIn::AllowableValues,
        targets: &[
            "None",
            "Pxe",
            "Floppy",
            "Cd",
            "Hdd",
            "BiosSetup",
            "Utilities",
            "UefiTarget",
            "SDCard",
            "UefiHttp",
        ],
        shows_mode: ShowsMode::Yes,
        boot_at: BootAt::System,
        in_post: InPost::Takes,
        etags: Etags::Checked,
        sessions: 8,
        full: Full { status: 503, message: "IDRAC.2.8.RAC0218" },
        nics_while_off: NicsWhileOff::Listed,
        busy_after_change: Duration::from_secs(3),
        stale_power: Duration::from_secs(5),
        once: Once::Once,
        media: Media::Licensed,
    },
};
