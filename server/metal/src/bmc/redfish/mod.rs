//! A BMC that speaks Redfish (DMTF DSP0266), by a thin client of its own: a dozen resources, four verbs.
//!
//! - `driver`: the wishes; `next_boot`: the boot override; `drives`: what disks there are; `media`: its virtual CD; `screen`: what it shows; `events`: being told of changes; `client`: requests, login, errors; `session`: how requests are authorised; `tls`: how the BMC's certificate is checked
//! - `model`: the resources as far as they are read; [`quirks`]: what real BMCs make of the standard, a file per vendor
//! - `check`: a look at a BMC that changes nothing; `findings`: what it says of our wishes; `scrub`: what may be given away of it
//! - `account`: the password of the account that we log in with; `logins`: which of two passwords it has
//! - `asked`: what was last asked of a BMC, for as long as its answers may be from before that
//!
//! What a BMC sends is hostile until read: replies are bounded in size and depth, links stay on the BMC's own origin,
//! redirects are not followed, and the login is sent to nobody else. What it says about itself is a claim.

mod account;
mod asked;
mod check;
mod client;
mod driver;
mod drives;
mod events;
mod findings;
mod logins;
mod media;
mod model;
mod next_boot;
pub mod quirks;
mod screen;
mod scrub;
mod session;
#[cfg(test)]
pub(super) mod tests;
mod tls;

pub use check::Looking;
pub use driver::Redfish;
