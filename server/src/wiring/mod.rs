//! What joins crates that do not know each other: the store behind the traits that boot servers, controllers and the API
//! ask for.
//!
//! - [`projection`]: hosts, boot plans and networks in memory, following the feed; DHCP and HTTP read it
//! - [`dhcp`], [`directory`], [`loaders`]: the boot servers' traits
//! - [`hints`]: what BMCs say happened
//! - [`keepers`], [`steps`], [`power`], [`check`], [`boot_url`], [`media`], [`audits`]: the controllers' and the API's

pub mod audits;
pub mod boot_url;
pub mod check;
pub mod dhcp;
pub mod directory;
pub mod hints;
pub mod keepers;
pub mod loaders;
pub mod media;
pub mod power;
pub mod projection;
pub mod sightings;
pub mod steps;
