//! Messages to words of the domain and back, a file per noun. Nothing here looks at another object or at the store.
//!
//! Reading is bounded and reports every fault at its attribute path; spelling cannot fail. Empty means the default
//! that the `.proto` files document.

pub(crate) mod agent;
mod claim;
pub(crate) mod cleaning;
pub(crate) mod credential;
mod faults;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod inventory;
pub(crate) mod machine;
mod machine_network;
pub(crate) mod network;
pub(crate) mod object;
pub(crate) mod operation;
pub(crate) mod pool;
pub(crate) mod profile;
pub(crate) mod site;
pub(crate) mod step;
pub(crate) mod values;
mod volumes;
mod wire;

pub(crate) use faults::Faults;
pub(crate) use wire::Wire;

#[cfg(test)]
mod tests;
