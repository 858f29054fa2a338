//! What all benchmarks share: running a program with its cost, and a table of medians.
//!
//! - [`process`]: wall clock, CPU-seconds and memory of a program and its children
//! - [`table`]: samples to rows, each beside its peer

pub mod process;
pub mod table;
