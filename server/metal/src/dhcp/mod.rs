//! DHCPv4 for boot networks: addresses, and the first file a firmware or iPXE asks for.
//!
//! A packet never changes state: what is to boot comes from a [`BootDirectory`], what was seen goes to [`Sightings`],
//! and the only thing written is the lease itself, through [`Leases`], before the client hears of it (RFC 2131).
//!
//! - [`network`]: what a segment serves; [`directory`], [`leases`], [`sighting`]: the boundary to the rest
//! - [`request`], [`client`]: a datagram read, and who sent it; [`reply`], [`boot`]: the answer and its boot options
//! - [`pool`]: which MAC holds which address; [`responder`]: packet in, verdict out, no I/O
//! - [`server`], [`socket`], [`commit`]: datagrams, and leases made durable in batches
//! - [`ra`]: the router advertisement that spares a BIOS boot its wait for IPv6
//! - [`strangers`], `probe.rs`: other DHCP servers where there should be none
//! - [`counters`]: what happened, as plain numbers
//!
//! Limits: Ethernet only (no InfiniBand); no BOOTP without DHCP; no ping or ARP probe before an address is offered.

pub mod boot;
pub mod client;
pub mod commit;
pub mod counters;
pub mod directory;
pub mod leases;
pub mod network;
pub mod pool;
pub(crate) mod probe;
pub mod ra;
pub mod reply;
pub mod request;
pub mod responder;
pub mod server;
pub mod sighting;
pub mod socket;
pub mod strangers;

pub use counters::Counters;
pub use directory::{BootAnswer, BootDirectory, Loader};
pub use leases::{Lease, LeaseState, Leases};
pub use network::{AddressRange, Advertise, Boot, Mode, Network, NetworkName, Unknown};
pub use server::{Error, Ports, Server};
pub use sighting::{Sighting, Sightings};
pub use strangers::{Evidence, Stranger};

#[cfg(test)]
mod tests;
