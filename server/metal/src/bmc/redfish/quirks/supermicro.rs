//! Supermicro's own firmware, X10 to X13 and H11 to H13 boards.

use std::time::Duration;

use super::{Etag, Mark, Mode, Quirks, STANDARD, Seen};

/// As its boards are.
pub const SUPERMICRO: Quirks = Quirks {
    name: "supermicro",
    known_by: &[
        Mark::Vendor("Supermicro"),
        Mark::Vendor("Super Micro Computer, Inc."),
        Mark::Oem("Supermicro"),
    ],
    etag: Etag::Never,
    mode: Mode::Always,
    settle: Duration::from_secs(15),
    seen: &[
        Seen {
            what: "the ETag that was just read is refused (412): it is quoted twice or another one at each read",
            source: "ansible-collections/community.general#3268 (its maker is not named there)",
        },
        Seen {
            what: "BootSourceOverrideMode falls back to its default where a request leaves it out",
            source: "DMTF/Redfishtool#106, ironcore-dev/metal-operator#607",
        },
        Seen {
            what: "X10 boards have no BootSourceOverrideMode and refuse one",
            source: "X10SRM-TF: ironcore-dev/metal-operator#982, gacybercenter/kinetic#60",
        },
        Seen {
            what: "storage, firmware and virtual media want a licence",
            source: "bb-Ricardo/check_redfish#74",
        },
    ],
    ..STANDARD
};
