//! The verbs, one file each, and what they share: where the server is and how results are written.

mod adopt;
mod audit;
mod backup;
mod brakes;
mod check;
mod describe;
mod explain;
mod explain_fleet;
mod get;
mod host;
mod image;
mod import;
mod listing;
mod logs;
mod operation;
mod power;
mod ramdisk;
mod support;
mod tend;
mod token;
mod watch;
mod watch_fleet;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{connect::Target, exit::Error, output::Format};

/// What an operator may do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List objects of a kind, or show one
    Get(With<get::Get>),
    /// Show everything about an object
    Describe(With<describe::Describe>),
    /// Follow an object's work live, or a fleet's
    Watch(With<watch::Watch>),
    /// Say where an object stands, since when, why, and what to do; or what is wrong with a fleet
    Explain(With<explain::Explain>),
    /// Show what the agent logged on a host or for a machine, and the serial port
    Logs(With<logs::Logs>),
    /// Collect objects, history and logs into one file for whoever helps, without secrets
    SupportBundle(With<support::SupportBundle>),
    /// Switch a host on or off, restart it, or ask its driver
    Power(With<power::Power>),
    /// Make a host of a machine that is installed already: prints what to run there
    ///
    /// Nothing is installed on it, nothing on it is restarted, and its disk is left alone: an agent is added as a service,
    /// which tells this server about it.
    Adopt(With<adopt::Adopt>),
    /// Look at a host's BMC, say that a host is on or off, or that a quarantined one is mended
    Host(With<host::Host>),
    /// Print Terraform configuration for what is there already
    ///
    /// Each host of the owner with its import block, so that the plan after the import is empty; each discovered machine
    /// without a host as a host to be made, to be filled in.
    Import(With<import::Import>),
    /// Make the agent's kernel and initramfs
    Ramdisk(ramdisk::Ramdisk),
    /// Bring images in
    Image(With<image::Image>),
    /// Make, list and void API tokens
    Token(With<token::Token>),
    /// Stop an operation
    Operation(With<operation::Operation>),
    /// Hold back all work in a site, a pool, or everywhere
    ///
    /// No step that changes power, boot or a disk is begun until it is lifted, and no deadline runs. An image that is being
    /// written is written to its end. Reading, planning and applying go on: what is applied waits. Without --all it means
    /// the site that --site names.
    Freeze(With<brakes::Freeze>),
    /// Let work go on that was frozen
    ///
    /// Lifts the freeze that stands over just what is named; others stay, and are listed.
    Unfreeze(With<brakes::Unfreeze>),
    /// List what holds work back
    Brakes(With<brakes::List>),
    /// Confirm that a server that was restored from a backup may act again
    ///
    /// Before that it switches nothing and images nothing, and every machine boots its own disk. Look at what it believes
    /// first (underlay get machines --all-owners), and whether it is so.
    Resume(With<brakes::Resume>),
    /// Show who asked for what, or check that no row of it was changed or taken away
    Audit(With<audit::Audit>),
    /// Copy the database into a file while the server works
    ///
    /// SQLite only; for Postgres the answer says which tool to use. The sealing key, the CA's key and images are not in it.
    Backup(With<backup::Backup>),
}

/// A verb that talks to the server.
#[derive(Args, Debug)]
pub struct With<V: Args> {
    #[command(flatten)]
    verb: V,
    #[command(flatten)]
    shared: Shared,
}

/// What all verbs that talk to the server share.
#[derive(Args, Debug)]
pub(crate) struct Shared {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How results are written
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub(crate) output: Format,
}

/// Run one verb.
pub fn main(verb: Verb) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("underlay: starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match verb {
            Verb::Get(With { verb, shared }) => get::run(verb, shared).await,
            Verb::Describe(With { verb, shared }) => describe::run(verb, shared).await,
            Verb::Watch(With { verb, shared }) => watch::run(verb, shared).await,
            Verb::Explain(With { verb, shared }) => explain::run(verb, shared).await,
            Verb::Logs(With { verb, shared }) => logs::run(verb, shared).await,
            Verb::SupportBundle(With { verb, shared }) => support::run(verb, shared).await,
            Verb::Power(With { verb, shared }) => power::run(verb, shared).await,
            Verb::Adopt(With { verb, shared }) => adopt::run(verb, shared).await,
            Verb::Host(With { verb, shared }) => host::run(verb, shared).await,
            Verb::Import(With { verb, shared }) => import::run(verb, shared).await,
            Verb::Ramdisk(ramdisk) => ramdisk::run(ramdisk),
            Verb::Image(With { verb, shared }) => image::run(verb, shared).await,
            Verb::Token(With { verb, shared }) => token::run(verb, shared).await,
            Verb::Operation(With { verb, shared }) => operation::run(verb, shared).await,
            Verb::Freeze(With { verb, shared }) => brakes::freeze(verb, shared).await,
            Verb::Unfreeze(With { verb, shared }) => brakes::unfreeze(verb, shared).await,
            Verb::Brakes(With { verb: _, shared }) => brakes::list(shared).await,
            Verb::Resume(With { verb: _, shared }) => brakes::resume(shared).await,
            Verb::Audit(With { verb, shared }) => audit::run(verb, shared).await,
            Verb::Backup(With { verb, shared }) => backup::run(verb, shared).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("underlay: {error}");
            ExitCode::from(Error::code(&error))
        }
    }
}
