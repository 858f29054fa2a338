//! The agent as a service of a system that is installed already: it tells the server what the machine is, for as long as it
//! runs, and does nothing to it but write the attributes that it is given.
//!
//! - [`install`]: puts itself into a live system with an enrolment token, and takes itself out again
//! - [`places`]: where its files are; [`keep`]: its key, kept over restarts
//! - [`system`]: what it says of the system it lives in
//! - [`attributes`]: the files that it is given to write; [`line`]: its line home
//!
//! Invariant: no code here restarts, switches off or writes to a disk of the machine; what it writes are its own few files, and
//! attributes beneath `/etc` where nobody else's file is.

pub mod attributes;
pub mod install;
pub mod keep;
pub mod line;
pub mod places;
pub mod system;
