//! The provider under the real `terraform` or `tofu`, against the real server. No machine is deployed here.
//!
//! | file | what |
//! |---|---|
//! | `operator.rs` | hosts, networks, credentials, images: created, changed, imported, destroyed |
//! | `slow.rs` | objects that are late, fail, are interrupted, killed, tainted, replaced |
//! | `gate.rs` | a machine that does not get ready, and the gate behind it |
//! | `states.rs` | two states, two owners |
//! | `away.rs` | the server is down; TLS, tokens, trust |
//! | `secret.rs` | a canary that must turn up nowhere |
//!
//! `TF_BIN` names the program, else `terraform` on the path. Without one the tests say so and pass, but fail under CI=true.

#![cfg(unix)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod away;
mod gate;
mod operator;
mod secret;
mod slow;
mod states;

/// A host that the server runs itself; it stays off.
fn lab(more: &str) -> String {
    format!(
        "resource \"underlay_host\" \"lab\" {{\n  name = \"lab-1\"\n  {more}\n  qemu = {{ cpus = 1, memory = \"512MiB\", \
         disks = [\"1GiB\"], forward = [22] }}\n}}\n"
    )
}

/// An image.
fn image(url: &str, sha256: &str, more: &str) -> String {
    format!(
        "resource \"underlay_image\" \"debian\" {{\n  name = \"debian\"\n  source = {{ url = \"{url}\", sha256 = \
         \"{sha256}\" }}\n  {more}\n}}\n"
    )
}
