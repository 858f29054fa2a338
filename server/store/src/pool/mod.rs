//! Pools: which hosts belong to one, which machines want one of them, which are disturbed, what failed on them.
//!
//! - [`member`]: the hosts of a pool and who has them; [`want`]: the machines in its queue
//! - [`disturbance`]: whose turn it is to be disturbed; [`accusation`]: what failed deployments had in common

pub(crate) mod accusation;
pub(crate) mod disturbance;
pub(crate) mod member;
pub(crate) mod want;
