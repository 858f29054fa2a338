//! `underlay`: the server (`underlay serve`) and the operator's verbs in one binary. The only crate that knows every other.

mod clock;
mod config;
mod dev;
mod lock;
mod logging;
mod metrics;
mod reseal;
mod restore;
mod serve;
mod sim;
mod wiring;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A fleet at work is many small allocations from a dozen threads, which glibc's arenas keep for ever. C keeps its own
/// `malloc`: a library that is preloaded to set the clock needs it before this one is ready, and the two wait for each other.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Turns blank servers into machines: the server and its command line.
#[derive(Debug, Parser)]
#[command(name = "underlay", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server: API, boot endpoint, DHCP and TFTP, and the engine that does the work
    Serve(Box<config::Settings>),
    /// Run a server and a simulated rack on loopback, in one process with everything in one directory
    Dev(Box<dev::Arguments>),
    /// Run a simulated rack, or do something to one that runs
    Sim(Box<sim::Arguments>),
    /// Encrypt all secrets anew under another key, while the server is stopped
    Reseal(reseal::Arguments),
    /// Put a backup of the database back, while the server is stopped; it is on hold then until `underlay resume`
    Restore(restore::Arguments),
    #[command(flatten)]
    Operate(underlay_cli::Verb),
}

fn main() -> ExitCode {
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().expect("nothing else has installed a crypto provider before main began");
    match Arguments::parse().verb {
        Verb::Serve(settings) => serve::main(*settings),
        Verb::Dev(arguments) => dev::main(*arguments),
        Verb::Sim(arguments) => sim::main(*arguments),
        Verb::Reseal(arguments) => reseal::main(arguments),
        Verb::Restore(arguments) => restore::main(arguments),
        Verb::Operate(verb) => underlay_cli::main(verb),
    }
}
