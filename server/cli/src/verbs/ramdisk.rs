//! `underlay ramdisk build`: the agent's kernel and initramfs out of a Debian kernel package. Needs no server.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{exit::Error, output, ramdisk};

/// Make the agent's kernel and initramfs
#[derive(Args, Debug)]
pub struct Ramdisk {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Build vmlinuz and initrd
    Build {
        /// Debian package of the kernel (linux-image-*.deb)
        #[arg(long, value_name = "FILE")]
        kernel_deb: PathBuf,
        /// The agent's static binary
        #[arg(long, value_name = "FILE")]
        agent: PathBuf,
        /// Where vmlinuz, initrd and manifest.json go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub(super) fn run(verb: Ramdisk) -> Result<(), Error> {
    let Act::Build { kernel_deb, agent, out } = verb.act;
    let built = ramdisk::build(&ramdisk::Options { kernel_deb, agent, out: out.clone() })
        .map_err(anyhow::Error::from)?;
    println!(
        "{}: kernel {} ({}), initrd {} with {} modules ({}), agent {}",
        out.display(),
        built.kernel_release,
        output::size(built.vmlinuz.size),
        output::size(built.initrd.size),
        built.modules.len(),
        built.compression,
        output::size(built.agent.size),
    );
    Ok(())
}
