//! HPE's iLO.

use std::time::Duration;

use super::{Mark, Mode, Quirks, STANDARD, Seen};

/// As iLO 5 and 6 are.
pub const ILO: Quirks = Quirks {
    name: "ilo",
    known_by: &[Mark::Vendor("HPE"), Mark::Vendor("HP"), Mark::Oem("Hpe"), Mark::Oem("Hp")],
    mode: Mode::ReadOnly,
    settle: Duration::from_secs(15),
    later: &["UnableToModifyDuringSystemPOST", "ResourceNotReadyRetry"],
    seen: &[
        Seen {
            what: "BootSourceOverrideMode shows how the firmware is set and is not writable (400, the whole request)",
            source: "ProLiant Gen10, iLO 5: ansible-collections/community.general#3509, #3581, metal3-io/metal3-docs#581",
        },
        Seen {
            what: "while the machine is in POST no boot source is taken (400, UnableToModifyDuringSystemPOST)",
            source: "iLO 2.37 messages: ironcore-dev/metal-operator#997, #995",
        },
        Seen {
            what: "what it knows only from a running machine is missing or \"not ready\" while that is off",
            source: "iLO 6: bb-Ricardo/check_redfish#170 (ResourceNotReadyRetry)",
        },
    ],
    ..STANDARD
};
