//! An address on the boot network: links up, DHCP, routes by netlink.
//!
//! - [`link`]: the machine's interfaces and what netlink does to them
//! - [`lease`]: what a DHCP server gave; [`dhcp`]: the client that asks for it
//! - [`bring_up`]: the boot NIC first, else the first that gets an answer
//! - [`lldp`]: what switches say; [`listen`]: hearing it
//!
//! No resolver: every address the agent is given is literal.

pub mod bring_up;
pub mod dhcp;
pub mod lease;
pub mod link;
pub mod listen;
pub mod lldp;

pub use bring_up::bring_up;
pub use link::Link;
