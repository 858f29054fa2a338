//! The network servers beside the best of their kind: DHCP beside Kea, TFTP beside three, HTTP beside nginx.
//!
//! `scripts/bench.sh network` runs it as root with `UNDERLAY`, a server of the release profile, and `BENCH_PEERS`, a
//! directory with the peers' programs, in the environment. Servers and clients are in two network namespaces of the
//! run, each on a CPU of its own. `BENCH_FIGURES` chooses among `dhcp flood tftp http`; `BENCH_ROUNDS` says how often.

#[path = "../measure/mod.rs"]
mod measure;

mod daemon;
mod dhcp;
mod fetch;
mod files;
mod http;
mod ours;
mod peers;
mod segment;
mod storm;
mod tftp;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

/// What all figures are measured with.
pub struct Setting {
    underlay: PathBuf,
    segment: segment::Segment,
    files: files::Files,
    peers: peers::Peers,
    rounds: usize,
    verbose: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        Some(fetch::ROLE) => format!("{}:69", segment::SERVER)
            .parse()
            .context("the server's address")
            .and_then(|server| fetch::main(&words, server)),
        Some(storm::ROLE) => segment::SERVER
            .parse()
            .context("the server's address")
            .and_then(|server| storm::main(words.get(1).map_or("", String::as_str), server)),
        // `cargo test --benches` runs it without this word, and has no programs for it.
        _ if words.iter().any(|word| word == "--bench") => compare(),
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("network: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<()> {
    let setting = Setting {
        underlay: std::env::var_os("UNDERLAY").context("UNDERLAY is not set; run scripts/bench.sh")?.into(),
        segment: segment::Segment::new()?,
        files: files::Files::new()?,
        peers: peers::Peers::new()?,
        rounds: std::env::var("BENCH_ROUNDS").ok().map_or(Ok(3), |rounds| rounds.parse())?,
        verbose: std::env::var_os("BENCH_VERBOSE").is_some(),
    };
    let figures = std::env::var("BENCH_FIGURES").unwrap_or_else(|_| "dhcp flood tftp http".into());
    for figure in figures.split_whitespace() {
        match figure {
            "dhcp" => dhcp::measure(&setting)?,
            "flood" => dhcp::flood(&setting)?,
            "tftp" => tftp::measure(&setting)?,
            "http" => http::measure(&setting)?,
            other => anyhow::bail!("no figures named {other}; there are dhcp, flood, tftp, http"),
        }
    }
    Ok(())
}
