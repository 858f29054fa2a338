//! What all benchmarks share: running a program with its cost, and a table of medians.
//!
//! - [`process`]: wall clock, CPU-seconds and memory of a program and its children
//! - [`table`]: samples to rows, each beside its peer

#[allow(dead_code, reason = "each benchmark compiles this file and measures in a way of its own")]
pub mod process;
pub mod table;
