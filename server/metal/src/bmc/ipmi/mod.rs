//! A BMC that speaks IPMI 2.0 over the network (RMCP+, "lanplus"), by a client of its own: a dozen commands.
//!
//! - `driver`: the wishes; `client`: the commands, and their errors in our words; `quirks`: what real BMCs make of the standard
//! - `session`: a session from its opening to its end over UDP; `handshake`: the messages that open one (RAKP)
//! - `packet`: what goes over the wire, byte by byte; `suite`: what proves, hides and seals it; `fru`: the serial number
//!
//! What a BMC sends is hostile until proved: a packet counts only when it is well formed, sealed with the session's
//! keys, newer than the last one and the answer to what was asked; the others are passed over, and a bounded number of
//! them. The password goes nowhere but into the keys. A session lasts for one wish and is closed after it, because BMCs
//! have few.
//!
//! Follows the Intelligent Platform Management Interface Specification v2.0, sections 13 (sessions), 20 and 22 (App),
//! 28 (Chassis) and 34 (FRU). docs/decisions/0016-own-ipmi-client.md says why it is our own.

mod client;
mod driver;
mod fru;
mod handshake;
mod packet;
mod quirks;
mod session;
mod suite;
#[cfg(test)]
mod tests;

pub use driver::Ipmi;
