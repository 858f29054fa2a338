//! `underlay ramdisk`: the agent's kernel and initramfs out of a Debian kernel package, and the image of a CD or USB stick
//! that boots them. Needs no server, but for what a stick is told of one.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::{
    exit::Error,
    output,
    ramdisk::{self, Line, iso, sign, stick},
};

/// Make the agent's kernel and initramfs
#[derive(Args, Debug)]
pub struct Ramdisk {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Build vmlinuz and initrd, and boot.iso where the programs for it are installed
    Build {
        /// Debian package of the kernel (linux-image-*.deb)
        #[arg(long, value_name = "FILE")]
        kernel_deb: PathBuf,
        /// Debian package with firmware for the kernel's drivers (firmware-*.deb); once for each
        #[arg(long = "firmware-deb", value_name = "FILE")]
        firmware_debs: Vec<PathBuf>,
        /// Debian package with systemd's EFI stub (systemd-boot-efi_*.deb): makes boot.efi too, for UEFI HTTP Boot
        #[arg(long, value_name = "FILE")]
        stub_deb: Option<PathBuf>,
        /// The agent's static binary
        #[arg(long, value_name = "FILE")]
        agent: PathBuf,
        /// Where vmlinuz, initrd, manifest.json, the agent itself and boot.iso go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Make an image that boots the agent from a CD or a USB stick, under BIOS and UEFI
    ///
    /// With --url it is for a stick or disc that any machine may be booted from: the machine reports itself to that server.
    /// Without, it is what a server shows hosts by virtual media: put it into the ramdisk directory as boot.iso.
    Iso(Iso),
    /// Sign boot.efi for machines with Secure Boot: makes boot.signed.efi
    ///
    /// Its kernel line is for good and names the server, so it is for one server and for every machine. A server that has it
    /// gives it to all firmware that boots over HTTP, in place of boot.efi.
    Sign(Sign),
}

/// What is signed, and with what.
#[derive(Args, Debug)]
struct Sign {
    /// Directory with boot.efi, as made by `underlay ramdisk build --stub-deb`
    #[arg(long, env = "UNDERLAY_RAMDISK", value_name = "DIR")]
    ramdisk: PathBuf,
    /// Private key, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Its certificate, PEM: the one that the firmware of the machines has in db, or the shim in its list (MokList)
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Shim signed by Microsoft, for firmware that has no other key in db (/usr/lib/shim/shimx64.efi.signed of Debian's shim-signed):
    /// it starts boot.signed.efi [default: none, and one from before goes]
    #[arg(long, value_name = "FILE")]
    shim: Option<PathBuf>,
    #[command(flatten)]
    server: Told,
}

/// The server that is named.
#[derive(Args, Debug)]
struct Told {
    /// Boot endpoint of the server that machines report to: http://ADDRESS:7480
    #[arg(long, value_name = "URL")]
    url: String,
    /// API of that server [default: https://, the address of --url, port 7443]
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// That server's CA certificate, PEM (ca.pem in its data directory): what agents know it by
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
}

/// What an image is made of.
#[derive(Args, Debug)]
struct Iso {
    /// Directory with vmlinuz and initrd, as made by `underlay ramdisk build`
    #[arg(long, env = "UNDERLAY_RAMDISK", value_name = "DIR")]
    ramdisk: PathBuf,
    /// The image
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Boot endpoint of the server that machines report to: http://ADDRESS:7480
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// API of that server [default: https://, the address of --url, port 7443]
    #[arg(long, value_name = "URL", requires = "url")]
    api: Option<String>,
    /// That server's CA certificate, PEM (ca.pem in its data directory) [default: asked of --url, and its digest printed]
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
}

pub(super) fn run(verb: Ramdisk) -> Result<(), Error> {
    match verb.act {
        Act::Build { kernel_deb, firmware_debs, stub_deb, agent, out } => {
            build(ramdisk::Options { kernel_deb, firmware_debs, stub_deb, agent, out })
        }
        Act::Iso(iso) => make(iso),
        Act::Sign(wanted) => sign(wanted),
    }
}

fn build(options: ramdisk::Options) -> Result<(), Error> {
    let built = ramdisk::build(&options).map_err(anyhow::Error::from)?;
    let out = options.out;
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
    let image = out.join("boot.iso");
    let made = iso::make(&iso::Options { ramdisk: out, output: image.clone(), line: Line::Placeholder });
    match made {
        Ok(size) => println!("{}: {}", image.display(), output::size(size)),
        // One of another kernel would be worse than none.
        Err(iso::Error::Missing(packages)) => {
            std::fs::remove_file(&image).ok();
            eprintln!(
                "no boot.iso, which virtual media needs; for one, install {} and build again",
                packages.join(" ")
            );
        }
        Err(error) => return Err(anyhow::Error::from(error).into()),
    }
    Ok(())
}

fn make(wanted: Iso) -> Result<(), Error> {
    let line = match &wanted.url {
        None => Line::Placeholder,
        Some(url) => {
            let server = stick::Server::new(url, wanted.api.as_deref()).map_err(Error::Usage)?;
            let certificate = match &wanted.ca {
                Some(path) => stick::read_certificate(path),
                None => {
                    server.fetch_certificate().with_context(|| format!("asking {url} for its CA certificate"))
                }
            }?;
            let digest = stick::digest(&certificate);
            if wanted.ca.is_none() {
                println!("the server's CA certificate has SHA-256 {digest}");
            }
            Line::Words(server.line(&digest))
        }
    };
    let options = iso::Options { ramdisk: wanted.ramdisk, output: wanted.output.clone(), line };
    let size = iso::make(&options).map_err(anyhow::Error::from)?;
    println!("{}: {}", wanted.output.display(), output::size(size));
    Ok(())
}

fn sign(wanted: Sign) -> Result<(), Error> {
    let Told { url, api, ca } = &wanted.server;
    let server = stick::Server::new(url, api.as_deref()).map_err(Error::Usage)?;
    let certificate = stick::read_certificate(ca)?;
    let (key, certificate_file, shim) = (wanted.key, wanted.certificate, wanted.shim);
    let words = server.line(&stick::digest(&certificate));
    let signed = wanted.ramdisk.join(sign::SIGNED);
    let options = sign::Options { ramdisk: wanted.ramdisk, key, certificate: certificate_file, shim, words };
    let size = sign::sign(&options).map_err(anyhow::Error::from)?;
    println!("{}: {}", signed.display(), output::size(size));
    Ok(())
}
