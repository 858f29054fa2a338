//! Writing a system to a disk, from the check of who we are to the last synced byte.
//!
//! ```text
//! identity -> choose -> manifest -> head -> seed::plan      nothing is written before all of these agree
//!          -> write (fetch | verify, decode, write) -> seed::place -> sync
//! ```
//!
//! - [`run`]: the order of things; [`error`]: what can go wrong and whom it speaks against
//! - [`identity`], [`choose`]: is this the host, and which disk
//! - [`write`], [`worker`], [`buffer`]: the pipeline and its bounded memory
//! - [`seed`]: the partition at the end of the disk that holds the configuration
//! - [`progress`]: the latest stage, for whoever watches
//!
//! Invariant: no byte of an image is decoded or written before its BLAKE3 matched the manifest, and no manifest is read
//! before it matched the order.

pub mod buffer;
pub mod choose;
pub mod error;
pub mod identity;
pub mod memory;
pub mod progress;
pub mod run;
pub mod seed;
pub mod worker;
pub mod write;

pub use error::Error;
pub use run::run;
