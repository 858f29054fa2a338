//! The protocol: what the calls of a host do.
//!
//! | file | calls |
//! |---|---|
//! | `service.rs` | [`Service`]: a provider, and what was configured |
//! | `calls.rs` | all 36 calls, each to its place; those not offered answer Unimplemented |
//! | `answer.rs` | diagnostics instead of an answer, also after a panic |
//! | `value.rs` | values in messages |
//! | `schema.rs` | GetMetadata, GetProviderSchema, GetResourceIdentitySchemas |
//! | `validate.rs` | Validate*Config |
//! | `configure.rs` | ConfigureProvider, StopProvider |
//! | `plan.rs` | PlanResourceChange |
//! | `apply.rs` | ApplyResourceChange |
//! | `read.rs` | ReadResource, ReadDataSource |
//! | `foreign.rs` | UpgradeResourceState, UpgradeResourceIdentity, ImportResourceState, MoveResourceState |
//! | `ephemeral.rs` | Open, Renew, CloseEphemeralResource |
//! | `function.rs` | GetFunctions, CallFunction |

mod answer;
mod apply;
mod calls;
mod configure;
mod ephemeral;
mod foreign;
mod function;
mod plan;
mod read;
mod schema;
mod service;
mod validate;
mod value;

pub use service::Service;
pub(crate) use value::{from_wire, to_wire};
