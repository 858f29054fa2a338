//! `underlay dev`: a server and a simulated rack on loopback, in one process, with everything they make in one directory.
//! It prints the environment in which the command line and Terraform find both, and ends with Ctrl-C.
//!
//! The agent's kernel and initramfs are placeholders unless a real ramdisk is named: simulated firmware fetches them and
//! runs none of them. The image beside them is a partition table and nothing else, for the same reason.

use std::{
    fmt::Write,
    fs,
    net::Ipv4Addr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{LogFormat, Settings, loopback},
    logging, serve,
    sim::{
        running::{RackSettings, Running},
        shell_word,
    },
};

/// The image's size: a partition table, and room that is a hole.
const IMAGE: usize = 8 << 20;
const SECTOR: usize = 512;
/// A kernel's or an initramfs's stand-in.
const PLACEHOLDER: &[u8] = b"A placeholder: simulated firmware fetches it and runs none of it.\n";

/// Run a server and a simulated rack on loopback, in one process with everything in one directory
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    rack: RackSettings,
    /// Where everything is kept [default: a directory of its own that is removed at the end]
    #[arg(long, env = "UNDERLAY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Directory of the agent's real kernel and initramfs, instead of placeholders
    #[arg(long, env = "UNDERLAY_RAMDISK", value_name = "DIR")]
    ramdisk: Option<PathBuf>,
}

/// Run both to their end.
pub fn main(arguments: Arguments) -> ExitCode {
    logging::start(LogFormat::Text, logging::QUIET);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime
        .context("starting the runtime")
        .and_then(|runtime| runtime.block_on(in_a_directory(arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("underlay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn in_a_directory(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.data.clone() {
        Some(directory) => dev(arguments, &directory).await,
        None => {
            let directory =
                tempfile::Builder::new().prefix("underlay-dev-").tempdir().context("a directory")?;
            dev(arguments, directory.path()).await
        }
    }
}

async fn dev(arguments: Arguments, directory: &Path) -> anyhow::Result<()> {
    make(directory)?;
    let directory = &directory.canonicalize().context("finding the directory")?;
    let images = directory.join("images");
    make(&images)?;
    let digest = image(&images.join("simulated.raw"))?;
    let command = command(&arguments);
    let settings = Settings {
        data: Some(directory.join("server")),
        listen: Some(loopback(0)),
        boot_listen: Some(loopback(0)),
        metrics_listen: Some(loopback(0)),
        event_address: Some(Ipv4Addr::LOCALHOST.into()),
        ramdisk: Some(ramdisk(arguments.ramdisk, directory)?),
        image_root: Some(images.clone()),
        ..Settings::default()
    };
    let (ready, up) = oneshot::channel();
    let cancel = CancellationToken::new();
    let server = tokio::spawn(serve::run(settings, Some(ready), cancel.clone()));
    let Ok(addresses) = up.await else {
        return server.await.context("the server broke")?.context("the server did not come up");
    };
    let url = format!("http://127.0.0.1:{}", addresses.boot_port);
    let mut rack = match Running::start(&arguments.rack, &command, url, &directory.join("rack"), 0).await {
        Ok(rack) => rack,
        Err(error) => {
            cancel.cancel();
            server.await.context("the server broke")??;
            return Err(error);
        }
    };
    let image = format!("file://{}", images.join("simulated.raw").display());
    let environment = environment(&addresses, &rack, directory, &image, &digest)?;
    let file = directory.join("env");
    fs::write(&file, &environment).context("writing the environment")?;
    rack.tell();
    println!("\n{environment}\nFor another terminal: . {}", file.display());
    println!(
        "Then: underlay get hosts; or terraform apply in a directory that reads TF_VAR_rack. Ctrl-C ends all."
    );

    let mut server = server;
    let ended = tokio::select! {
        ended = &mut server => ended.context("the server broke")?,
        ended = rack.ended() => {
            cancel.cancel();
            server.await.context("the server broke")?.and(ended)
        }
    };
    println!("the same again:  {}", rack.replay());
    rack.stop().await;
    ended
}

/// What makes the same run again, but for the rack's own settings.
fn command(arguments: &Arguments) -> String {
    let word = |path: &Path| shell_word(&path.display().to_string());
    let mut command = "underlay dev".to_owned();
    if let Some(data) = &arguments.data {
        command += &format!(" --data {}", word(data));
    }
    if let Some(ramdisk) = &arguments.ramdisk {
        command += &format!(" --ramdisk {}", word(ramdisk));
    }
    command
}

/// What to put into a shell. The password stays in its file.
fn environment(
    addresses: &serve::Addresses,
    rack: &Running,
    directory: &Path,
    image: &str,
    digest: &str,
) -> anyhow::Result<String> {
    let mut text = String::new();
    for (name, value) in [
        ("UNDERLAY_ENDPOINT", format!("unix://{}", addresses.socket.display())),
        ("UNDERLAY_SIM_DIR", directory.join("rack").display().to_string()),
        ("TF_VAR_rack", rack.inventory().display().to_string()),
        ("TF_VAR_bmc_password_file", rack.password_file().display().to_string()),
        ("TF_VAR_image_url", image.to_owned()),
        ("TF_VAR_image_sha256", digest.to_owned()),
    ] {
        writeln!(text, "export {name}='{}'", value.replace('\'', "'\\''"))?;
    }
    Ok(text)
}

fn make(directory: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("making {}", directory.display()))
}

/// The ramdisk that is named, or placeholders.
fn ramdisk(named: Option<PathBuf>, directory: &Path) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named);
    }
    let directory = directory.join("ramdisk");
    make(&directory)?;
    for file in ["vmlinuz", "initrd"] {
        fs::write(directory.join(file), PLACEHOLDER).with_context(|| format!("writing {file}"))?;
    }
    Ok(directory)
}

/// An image of one empty partition; its SHA-256.
fn image(path: &Path) -> anyhow::Result<String> {
    let mut bytes = vec![0; IMAGE];
    let sectors = u32::try_from(IMAGE / SECTOR).unwrap_or(u32::MAX).saturating_sub(2048);
    // MBR: one primary partition of type 83 from sector 2048 on, and the signature.
    let mut entry = vec![0, 0, 0, 0, 0x83, 0, 0, 0];
    entry.extend_from_slice(&2048_u32.to_le_bytes());
    entry.extend_from_slice(&sectors.to_le_bytes());
    bytes.splice(446..446 + entry.len(), entry);
    bytes.splice(510..512, [0x55, 0xaa]);
    fs::write(path, &bytes).with_context(|| format!("writing {}", path.display()))?;
    Ok(Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}
