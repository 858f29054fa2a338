//! sushy-tools' emulator in front of libvirt: no hardware, and what many laboratories run.

use super::{Mark, Once, Quirks, STANDARD, Seen};

/// As version 2.2.0 is.
pub const SUSHY: Quirks = Quirks {
    name: "sushy",
    known_by: &[Mark::Name("Redvirt Service"), Mark::Name("Sushy Redfish Service")],
    once: Once::AsContinuous,
    seen: &[
        Seen {
            what: "an override that was set Once reads as Continuous and stays until Hdd is set",
            source: "sushy-tools 2.2.0 with libvirt, run in our own tests",
        },
        Seen {
            what: "it has no SessionService (404); the login is HTTP Basic",
            source: "sushy-tools 2.2.0, run in our own tests",
        },
    ],
    ..STANDARD
};
