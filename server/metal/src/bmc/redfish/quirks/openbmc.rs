//! OpenBMC's bmcweb, whoever builds it in.

use std::time::Duration;

use super::{Mark, Quirks, STANDARD, Seen};

/// As bmcweb is.
pub const OPENBMC: Quirks = Quirks {
    name: "openbmc",
    known_by: &[Mark::Product("OpenBMC"), Mark::Manager("OpenBmc")],
    settle: Duration::from_secs(30),
    seen: &[
        Seen {
            what: "its service root may name neither vendor nor product; its manager is an \"OpenBmc\"",
            source: "bmcweb 2.6.0-rc1: openbmc/openbmc-test-automation#1513",
        },
        Seen {
            what: "the power state stays what it was for a while after a transition was accepted",
            source: "openbmc/openbmc#804, xcat2/xcat-core#5410, chaos/powerman#47",
        },
        Seen {
            what: "where the machine is no x86 the override has no mode, and some builds have no override at all",
            source: "openbmc/webui-vue#77, ibm-openbmc/bmcweb#209",
        },
    ],
    ..STANDARD
};
