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
        /// Debian package with firmware for the kernel's drivers (firmware-*.deb); once for each
        #[arg(long = "firmware-deb", value_name = "FILE")]
        firmware_debs: Vec<PathBuf>,
        /// The agent's static binary
        #[arg(long, value_name = "FILE")]
        agent: PathBuf,
        /// Where vmlinuz, initrd, manifest.json and the agent itself go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub(super) fn run(verb: Ramdisk) -> Result<(), Error> {
    let Act::Build { kernel_deb, firmware_debs, agent, out } = verb.act;
    let built = ramdisk::build(&ramdisk::Options { kernel_deb, firmware_debs, agent, out: out.clone() })
        .map_err(anyhow::Error::from)?;
    println!(
        "{}: kernel {} ({}), initrd {} with {} modules and {} files of firmware ({}), agent {}",
        out.display(),
        built.kernel_release,
        output::size(built.vmlinuz.size),
        output::size(built.initrd.size),
        built.modules.len(),
        built.firmware.carried.len(),
        built.compression,
        output::size(built.agent.size),
    );
    let without = &built.firmware.without;
    if !without.is_empty() {
        let drivers = without.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        eprintln!("no firmware for {drivers}: cards of these drivers will not work; see --firmware-deb");
    }
    Ok(())
}
