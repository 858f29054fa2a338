//! What BMCs make of the standard: a table per vendor of what differs, a file each, and what is made of it.
//!
//! - `table`: the fields of a table, the standard, and what is assumed of a BMC nobody knows; `detect`: whose it is
//! - `idrac`, `ilo`, `supermicro`, `openbmc`, `ami`, `sushy`: one vendor each, every oddity with where it was seen
//! - `boot`: what is asked of the boot override; `media`: how an image is put into a virtual drive; `answers`: what resets there are, and what a status means
//!
//! No file but these asks who made a BMC. To add a vendor, put its file beside the others and its table in [`ALL`]; the
//! simulator has a model of each, and `tests/tests/simulator/vendors.rs` runs the driver against it with the table and
//! with each field taken out.

mod ami;
mod answers;
mod boot;
mod detect;
#[cfg(test)]
mod docs;
mod idrac;
mod ilo;
mod media;
mod openbmc;
mod supermicro;
mod sushy;
mod table;

pub use ami::AMI;
pub(super) use answers::{
    choose_reset, is_for_later, is_full, is_rejected, lacks_sessions, may_mean_already, may_pass,
};
pub(super) use boot::{CDS, boot_wishes, is_exactly, is_reached, next_boot, words};
pub(super) use detect::{by_manager, by_root, says_nothing};
pub use idrac::IDRAC;
pub use ilo::ILO;
pub(super) use media::insertions;
pub use openbmc::OPENBMC;
pub use supermicro::SUPERMICRO;
pub use sushy::SUSHY;
pub use table::{BootAt, Etag, Mark, Mode, Once, Quirks, STANDARD, Seen, UNKNOWN};

/// Every table, in the order in which they are tried.
pub const ALL: [&Quirks; 6] = [&IDRAC, &ILO, &SUPERMICRO, &OPENBMC, &AMI, &SUSHY];
