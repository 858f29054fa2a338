//! A machine with a BMC like AMI's MegaRAC, as whitebox vendors ship it: the boot override is in a
//! settings resource, and what was set `Once` stays until something else is set.

use std::time::Duration;

use super::{
    BmcModel, BootAt, DiskModel, Etags, FULL, InPost, Media, Model, NicsWhileOff, Once, ResetsIn, Root,
    Screen, ShowsMode,
};

/// Like a whitebox with MegaRAC.
pub const AMI: Model = Model {
    name: "ami",
    manufacturer: "GIGABYTE",
    product: "R152-Z30 (simulated)",
    firmware: "R23",
    serial_prefix: "GB",
    cpu: "AMD EPYC 7402P 24-Core Processor",
    sockets: 1,
    cores: 24,
    memory_gib: 128,
    modules: 8,
    disks: &[DiskModel { model: "KIOXIA KCD61LUL960G", kind: "nvme", gib: 894 }],
    nics: 2,
    nic_mbps: 1000,
    nic_driver: "igb",
    bmc: BmcModel {
        product: "MegaRAC (simulated)",
        root: Root { vendor: Some("GIGABYTE"), product: Some("AMI Redfish Server"), oem: Some("Ami") },
        firmware: "12.61.21",
        system: "Self",
        manager: "Self",
        screen: Screen::Hidden,
        chassis: "Self",
        resets: &["On", "ForceOff", "GracefulShutdown", "ForceRestart"],
        resets_in: ResetsIn::AllowableValues,
        targets: &["None", "Pxe", "Hdd", "Cd", "Usb", "BiosSetup", "UefiHttp"],
        shows_mode: ShowsMode::Yes,
        boot_at: BootAt::Settings,
        in_post: InPost::Takes,
        etags: Etags::Required,
        sessions: 8,
        full: FULL,
        nics_while_off: NicsWhileOff::Hidden,
        busy_after_change: Duration::from_secs(1),
        stale_power: Duration::from_secs(4),
        once: Once::Continuous,
        media: Media::Unlicensed,
    },
};
