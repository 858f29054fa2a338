//! A machine without oddities, one disk: the standard as it is written.

use std::time::Duration;

use super::{
    BmcModel, BootAt, DiskModel, Etags, FULL, InPost, Media, Model, NicsWhileOff, Once, ResetsIn, Root,
    Screen, ShowsMode,
};

/// The plain one.
pub const GENERIC: Model = Model {
    name: "generic",
    manufacturer: "Underlay Simulations",
    product: "Plain Server 1",
    firmware: "1.0.0",
    serial_prefix: "PL",
    cpu: "Simulated CPU at 2.40GHz",
    sockets: 1,
    cores: 8,
    memory_gib: 64,
    modules: 4,
    disks: &[DiskModel { model: "SIM SSD 480", kind: "ssd", gib: 447 }],
    nics: 2,
    nic_mbps: 10_000,
    nic_driver: "ixgbe",
    bmc: BmcModel {
        product: "Plain BMC",
        root: Root { vendor: Some("Underlay Simulations"), product: Some("Plain BMC"), oem: None },
        firmware: "1.0.0",
        system: "1",
        manager: "1",
        screen: Screen::Hidden,
        chassis: "1",
        resets: &[
            "On",
            "ForceOff",
            "GracefulShutdown",
            "GracefulRestart",
            "ForceRestart",
            "Nmi",
            "ForceOn",
            "PushPowerButton",
            "PowerCycle",
        ],
        resets_in: ResetsIn::AllowableValues,
        targets: &["None", "Pxe", "Hdd", "Cd", "Usb", "BiosSetup", "UefiHttp"],
        shows_mode: ShowsMode::Yes,
        boot_at: BootAt::System,
        in_post: InPost::Takes,
        etags: Etags::Checked,
        sessions: 16,
        full: FULL,
        nics_while_off: NicsWhileOff::Listed,
        busy_after_change: Duration::ZERO,
        stale_power: Duration::ZERO,
        once: Once::Once,
        media: Media::Licensed,
    },
};
