//! Cross-crate tests: the real CLI, real firmware, real peers. What they stand on is here.
//!
//! | file | what |
//! |---|---|
//! | `hooks.rs` | [`hooks`]: webhooks that answer as they are told, and remember who called |
//! | `ironic.rs` | [`Ironic`]: a standalone Ironic, as others wrote it |
//! | `programs.rs` | the programs under test, built when they are first asked for |
//! | `rack/` | [`rack`]: a boot segment with real parts, for the tests that boot machines |
//! | `server.rs` | [`Server`]: an `underlay serve` in a directory of its own |
//! | `simulated.rs` | [`Simulated`]: a server and a simulated rack, each a process of its own |
//! | `terraform.rs` | [`Terraform`]: a working directory of the real `terraform` or `tofu` |
//! | `web.rs` | [`Web`]: files over HTTP on loopback, some of which keep one waiting |
//!
//! The tests lie in tests/; each is a file or a folder per story.

// Nothing here runs outside of tests, where a panic is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod hooks;
mod ironic;
mod programs;
pub mod rack;
mod server;
mod simulated;
mod terraform;
mod web;

pub use ironic::Ironic;
pub use programs::program;
pub use server::Server;
pub use simulated::{Simulated, World};
pub use terraform::{Run, Terraform};
pub use web::{Web, sha256};

use std::time::{Duration, Instant};

/// Waits until something is true.
///
/// # Panics
/// It is not within a minute.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The command that runs the test of this thread again, with what the environment said to it.
pub fn this_test() -> String {
    let said = std::env::vars().filter(|(name, _)| name.starts_with("UNDERLAY_"));
    let said: String = said.map(|(name, value)| format!("{name}='{value}' ")).collect();
    let program = std::env::current_exe().unwrap_or_default();
    let file = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let suite = file.rsplit_once('-').map_or(file.as_str(), |(suite, _hash)| suite).to_owned();
    let thread = std::thread::current();
    format!(
        "{said}cargo test -p underlay-tests --test {suite} {} -- --exact --include-ignored --nocapture",
        thread.name().unwrap_or_default()
    )
}
