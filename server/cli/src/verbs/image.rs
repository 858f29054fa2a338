//! `underlay image import FILE`: sends an image that no URL serves, and says what to write into HCL.

use std::{fs::File, io::Read, path::PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use underlay_proto::v1::{
    ImageSpec, Key, PutImageRequest, PutOptions, UploadRequest, image_service_client::ImageServiceClient,
    upload_request::Part,
};

use super::Shared;
use crate::exit::Error;

/// Bytes sent at once.
const CHUNK: usize = 512 << 10;

/// Bring images in
#[derive(Args, Debug)]
pub struct Image {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Send a local file to the server, and print the source to write into an underlay_image
    Import {
        /// raw or qcow2, plain or packed with gzip, xz or zstd
        file: PathBuf,
        /// Also make an image object of this name
        #[arg(long)]
        name: Option<String>,
        /// x86_64 or aarch64
        #[arg(long, default_value = "x86_64")]
        arch: String,
        /// How a system of it is told what it is: cloud_init, ignition, kickstart or preseed
        #[arg(long, default_value = "cloud_init")]
        seed: String,
    },
}

pub(super) async fn run(image: Image, shared: Shared) -> Result<(), Error> {
    let Act::Import { file, name, arch, seed } = image.act;
    let mut client = ImageServiceClient::new(shared.target.connect().await?);
    let size = std::fs::metadata(&file).with_context(|| format!("reading {}", file.display()))?.len();
    let digest = hash(&file, size)?;
    let uploaded = client.upload(parts(file, digest.clone(), size)).await?.into_inner();
    match name {
        None => println!("source = {{ url = \"{}\", sha256 = \"{digest}\" }}", uploaded.url),
        Some(name) => {
            let key = Key {
                site: shared.target.site.clone(),
                owner: shared.target.owner.clone(),
                name: name.clone(),
            };
            let spec = ImageSpec { url: uploaded.url, sha256: digest.clone(), arch, seed };
            let options =
                PutOptions { request_id: format!("import-{name}-{digest}"), ..PutOptions::default() };
            client.put(PutImageRequest { key: Some(key), spec: Some(spec), options: Some(options) }).await?;
            println!("{name}@sha256:{digest}");
        }
    }
    Ok(())
}

fn bar(size: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:10} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
    let bar = ProgressBar::new(size).with_message(what);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn hash(file: &PathBuf, size: u64) -> anyhow::Result<String> {
    let progress = bar(size, "hashing");
    let mut reader =
        progress.wrap_read(File::open(file).with_context(|| format!("opening {}", file.display()))?);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer).with_context(|| format!("reading {}", file.display()))? {
            0 => break,
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    progress.finish_and_clear();
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The digest, then the bytes; read off the runtime, a few chunks ahead of the network.
fn parts(file: PathBuf, digest: String, size: u64) -> ReceiverStream<UploadRequest> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let send = |part| sender.blocking_send(UploadRequest { part: Some(part) }).is_ok();
        let progress = bar(size, "sending");
        let Ok(opened) = File::open(&file) else { return };
        let mut reader = progress.wrap_read(opened);
        if !send(Part::Sha256(digest)) {
            return;
        }
        let mut buffer = vec![0; CHUNK];
        // A read error ends the stream early; the server then refuses what does not hash to the promise.
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            if !send(Part::Data(buffer.get(..read).unwrap_or_default().to_vec())) {
                return;
            }
        }
        progress.finish_and_clear();
    });
    ReceiverStream::new(receiver)
}
