//! AMI's MegaRAC, as Gigabyte, ASRock Rack and other makers ship it.

use std::time::Duration;

use super::{BootAt, Mark, Once, Quirks, STANDARD, Seen};

/// As MegaRAC SP-X is.
pub const AMI: Quirks = Quirks {
    name: "ami",
    known_by: &[
        Mark::Vendor("AMI"),
        Mark::Product("AMI Redfish Server"),
        Mark::Product("MegaRAC"),
        Mark::Oem("Ami"),
    ],
    boot_at: BootAt::Settings,
    once: Once::AsContinuous,
    settle: Duration::from_secs(15),
    patience: Duration::from_secs(10),
    seen: &[
        Seen {
            what: "the boot override is in Systems/Self/SD and refused at the system (400, OperationSupportedInFutureStateURI)",
            source: "ASRock WRX80 Creator, BMC 1.04.00: DMTF/Redfish-Tacklebox#144, #111",
        },
        Seen {
            what: "a change without If-Match is refused (428), or dropped without a word",
            source: "Gigabyte MZ83-HD2, MegaRAC SP-X 13: xcat2/confluent#274; ansible-collections/community.general#6434",
        },
        Seen {
            what: "an override that was set Once reads as Continuous and stays",
            source: "seen of other services with the same words: kubevirtbmc/kubevirtbmc#165",
        },
    ],
    ..STANDARD
};
