//! The fields of a quirk table, what the standard says for each, and what is assumed of a BMC that nobody knows.
//!
//! A field is there because it changes what is sent or believed; what a driver finds out by itself (allowed resets, allowed
//! boot sources, a list of NICs that is empty while the machine is off) needs none.

use std::time::Duration;

/// How a kind of BMC departs from the standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// As logs and docs name it.
    pub name: &'static str,
    /// Whose BMC it is, by any of these.
    pub known_by: &'static [Mark],
    /// Is a change sent with `If-Match`?
    pub etag: Etag,
    /// When is `BootSourceOverrideMode` written?
    pub mode: Mode,
    /// Which resource takes the boot override?
    pub boot_at: BootAt,
    /// What may an override that was set `Once` read as?
    pub once: Once,
    /// For how long after a reset the power state may still be that from before it.
    pub settle: Duration,
    /// For how long in one call a request is sent again that was answered 503 with a `Retry-After`.
    pub patience: Duration,
    /// Messages, by the last part of their id, that refuse a request only for now, whatever the status says.
    pub later: &'static [&'static str],
    /// Its oddities, with where each was seen.
    pub seen: &'static [Seen],
}

/// By what a vendor's BMC is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `ServiceRoot.Vendor`, without regard to case.
    Vendor(&'static str),
    /// A part of `ServiceRoot.Product`, without regard to case.
    Product(&'static str),
    /// `ServiceRoot.Name`.
    Name(&'static str),
    /// A key of `ServiceRoot.Oem`.
    Oem(&'static str),
    /// `Manager.Model` of the first manager, where the service root says nothing.
    Manager(&'static str),
}

/// Is a change sent with `If-Match`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Etag {
    /// With the ETag that was read (DSP0266, 6.5); without one where none was sent.
    Sent,
    /// Never: it is another one at each read, so that none fits.
    Never,
}

/// When is `BootSourceOverrideMode` written? Never where the system does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When it is to be another one.
    WhenItDiffers,
    /// With every override: it falls back to its default where it is left out.
    Always,
    /// Not at all: it only shows what the firmware is set to.
    ReadOnly,
}

/// Which resource takes the boot override?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootAt {
    /// The ComputerSystem.
    System,
    /// Its settings resource (`@Redfish.Settings`), where it has one.
    Settings,
}

/// What may an override that was set `Once` read as?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// `Once`.
    AsOnce,
    /// `Continuous` too.
    AsContinuous,
}

/// An oddity, with where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What, in a sentence.
    pub what: &'static str,
    /// Model, firmware, and who tells.
    pub source: &'static str,
}

/// The standard as it is written.
pub const STANDARD: Quirks = Quirks {
    name: "standard",
    known_by: &[],
    etag: Etag::Sent,
    mode: Mode::WhenItDiffers,
    boot_at: BootAt::System,
    once: Once::AsOnce,
    settle: Duration::ZERO,
    patience: Duration::ZERO,
    later: &[],
    seen: &[],
};

/// What is assumed of a BMC of a make that has no table: whatever costs nothing where it is not so.
pub const UNKNOWN: Quirks = Quirks {
    name: "unknown",
    boot_at: BootAt::Settings,
    once: Once::AsContinuous,
    settle: Duration::from_secs(10),
    patience: Duration::from_secs(10),
    ..STANDARD
};
