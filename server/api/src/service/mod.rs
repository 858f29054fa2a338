//! The services, thin: authorise, convert, one store call, convert back.
//!
//! - [`objects`]: the seven calls that all nouns share, written once; [`put`], [`find`], [`watch`] are their parts
//! - [`nouns`]: ties them to the five generated services, with the calls that one noun alone has
//! - [`operations`], [`explain`]: what was done, is done, and what to do
//! - [`logs`]: what agents had to say
//! - [`confirm`]: what a person says of a host that is switched by hand
//! - [`passwords`]: those that only BMCs and the server know
//! - [`tend`]: what an operator wants done with a host
//! - [`cancel`], [`brakes`]: stopping an operation, holding work back; [`audit`]: who asked for what; [`backup`]: a copy of all
//! - [`offer`], [`adoption`], [`reside`]: machines that are installed already become hosts, and their agents' lines
//! - [`agents`], [`work`]: agents calling home; [`stream`]: what all streams have in common; [`server`]: the server itself and its tokens

mod adoption;
mod advice;
mod agents;
mod audit;
mod backup;
mod brakes;
mod caller;
mod cancel;
mod check;
mod confirm;
mod explain;
mod find;
mod limiter;
mod logs;
mod nouns;
mod objects;
mod offer;
mod operations;
mod passwords;
mod power;
mod put;
mod reside;
mod server;
mod stream;
mod tend;
mod upload;
mod watch;
mod work;

pub(crate) use agents::{AgentDoor, Agents};
pub(crate) use audit::Audit;
pub(crate) use brakes::Brakes;
pub(crate) use limiter::Bucket;
pub(crate) use objects::Objects;
pub(crate) use operations::Operations;
pub(crate) use server::Server;
