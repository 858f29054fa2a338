//! The words of the domain: ids, specs, states, outcomes and driver traits. No I/O, no SQL, no wire.
//!
//! - [`id`], [`mac`], [`bytes`]: names, addresses and sizes
//! - [`noun`], [`object`]: what every object has; [`host`], [`machine`], [`image`], [`network`], [`credential`],
//!   [`pool`], [`profile`], [`site`]: each kind
//! - [`allocation`]: which host a machine gets
//! - [`controller`], [`outcome`], [`view`], [`observation`]: the contract with the engine
//! - [`brake`], [`cancellation`]: what holds work back, and what stops it
//! - [`bmc`], [`agent`], [`seed`], [`boot`]: the contracts with hardware, the agent and the boot servers
//! - [`resident`]: the agent that lives on an installed machine
//! - [`disks`], [`identity`]: which disk, which box: the same answer on the server and in the agent
//! - [`cleaning`]: how disks are wiped, and the record of it
//! - [`clock`]: the server's time
//! - [`condition`]: what holds true of an object beside its state
//! - [`failure`]: the one classification of errors
//!
//! To add a kind of object, see docs/adding-a-resource.md; a BMC driver, docs/adding-a-bmc-driver.md.

#![deny(missing_docs)]

pub mod agent;
pub mod allocation;
pub mod attest;
pub mod bmc;
pub mod boot;
pub mod brake;
pub mod bytes;
pub mod cancellation;
pub mod check;
pub mod cleaning;
pub mod clock;
pub mod condition;
pub mod controller;
pub mod credential;
pub mod disks;
pub mod failure;
pub mod host;
pub mod id;
pub mod identity;
pub mod image;
pub mod mac;
pub mod machine;
pub mod network;
pub mod noun;
pub mod object;
pub mod observation;
pub mod outcome;
pub mod pool;
pub mod profile;
pub mod resident;
pub mod seed;
pub mod site;
pub mod step;
pub mod view;

pub use brake::{Brake, Brakes};
pub use bytes::Bytes;
pub use cancellation::Cancellation;
pub use controller::{Controller, Snapshot};
pub use failure::{Cause, ErrorKind, Failure, FieldError, because, is_for_want_of_room};
pub use id::{Incarnation, Key, Kind, Name, ObjectId, OperationId};
pub use mac::Mac;
pub use noun::{Bond, Noun, Reference, Spec, State};
pub use object::{Amount, Meta, Object, Standing, Unit};
pub use outcome::{Effect, Outcome, Step};
pub use secrecy::SecretString;
pub use view::View;
