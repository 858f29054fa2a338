//! Dell's iDRAC.

use std::time::Duration;

use super::{Mark, Quirks, STANDARD, Seen};

/// As iDRAC 8 and 9 are.
pub const IDRAC: Quirks = Quirks {
    name: "idrac",
    known_by: &[
        Mark::Vendor("Dell"),
        Mark::Vendor("Dell Inc."),
        Mark::Product("Integrated Dell Remote Access Controller"),
        Mark::Oem("Dell"),
    ],
    settle: Duration::from_secs(20),
    patience: Duration::from_secs(20),
    seen: &[
        Seen {
            what: "while its job queue works on a change it answers 503 to the next one, sometimes for minutes",
            source: "PowerEdge R730xd, iDRAC 2.70.70.70: dell/iDRAC-Redfish-Scripting#116, #28",
        },
        Seen {
            what: "after some eight logins that were never ended it has no session left (503, RAC0218) until they idle out",
            source: "stmcginnis/gofish#75, bb-Ricardo/check_redfish#89, quadsproject/badfish#447 (R6615, iDRAC 9)",
        },
        Seen {
            what: "a boot source that was set for once is now and then gone at the boot, and the disk starts",
            source: "iDRAC 9: ironcore-dev/metal-operator#80",
        },
        Seen {
            what: "it knows PushPowerButton and has no ForceOn; only what it lists is sent",
            source: "14th generation: quadsproject/quads#311; R740xd: quadsproject/badfish#118",
        },
    ],
    ..STANDARD
};
