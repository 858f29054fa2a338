//! A BMC that speaks Redfish (DMTF DSP0266), by a thin client of its own: a dozen resources, four verbs.
//!
//! - `driver`: the wishes; `drives`: what disks there are; `media`: its virtual CD; `events`: being told of changes; `client`: requests, login, errors; `tls`: how the BMC's certificate is checked
//! - `model`: the resources as far as they are read; `quirks`: what real BMCs make of the standard
//!
//! What a BMC sends is hostile until read: replies are bounded in size and depth, links stay on the BMC's own origin,
//! redirects are not followed, and the login is sent to nobody else. What it says about itself is a claim.

mod client;
mod driver;
mod drives;
mod events;
mod media;
mod model;
mod quirks;
#[cfg(test)]
pub(super) mod tests;
mod tls;

pub use client::Login;
pub use driver::Redfish;
