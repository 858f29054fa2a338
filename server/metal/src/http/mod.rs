//! The boot endpoint: what firmware, iPXE, the agent and freshly installed systems fetch over plain HTTP.
//!
//! - `script.rs`: iPXE scripts, rendered on request from the boot plan of the MAC that asks
//! - `files.rs`: kernel, initramfs, the agent's program, loaders, images
//! - `direct.rs`: how most requests for files are answered, without a copy
//! - `answer.rs`: the answer to all others
//! - `ranges.rs`, `shelf.rs`: which part of a file a request gets; open files with the tags of their content
//! - `iso`: the image of one host's boot, for its BMC; `line.rs`: the kernel's line
//! - `uki.rs`: the agent as one EFI program, for UEFI HTTP Boot
//! - `phone_home.rs`: the one-time URL of an installed system
//! - `events.rs`: where BMCs say that something happened
//! - [`paths`]: where each of them is
//! - `connections.rs`: how many there may be, and for how long
//!
//! Plain HTTP, because firmware knows no CA of ours: a script proves nothing but the segment it was fetched on. What
//! must be trusted is checked elsewhere: the agent knows the server by the digest of its CA certificate, an image by
//! its own. Every MAC that belongs to a host gets a script, never an error.

mod answer;
mod connections;
mod direct;
mod events;
mod files;
pub mod iso;
mod line;
mod paths;
mod phone_home;
mod ranges;
mod script;
mod shelf;
pub mod uki;

#[cfg(test)]
mod tests;

pub use paths::{data_path, manifest_path, phone_home_url, script_url};

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    routing::{get, post},
};
use sha2::Digest;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use underlay_core::boot::Directory;

/// What the boot endpoint serves and how hosts reach the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port it listens on; hosts reach it under the address they asked.
    pub port: u16,
    /// The port of the API, where agents call home.
    pub api_port: u16,
    /// The server's CA certificate, DER.
    pub ca_certificate: Vec<u8>,
    /// Directory with `vmlinuz` and `initrd` of the agent, the `agent` itself, and of both first `boot.iso` for virtual media
    /// and `boot.efi` for UEFI HTTP Boot, where they were built.
    pub ramdisk: PathBuf,
    /// Directory with network boot loaders (`ipxe.efi`, `undionly.kpxe`).
    pub loaders: PathBuf,
    /// Directory of the image store: `<sha256>/manifest.json` and `<sha256>/data`.
    pub images: PathBuf,
}

/// What the handlers share.
pub(crate) struct Endpoint {
    pub(crate) config: Config,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) ca_digest: String,
    shelf: shelf::Shelf,
    places: iso::Places,
}

impl Endpoint {
    fn new(config: Config, directory: Arc<dyn Directory>) -> Arc<Self> {
        let ca_digest = hex::encode(sha2::Sha256::digest(&config.ca_certificate));
        Arc::new(Self {
            config,
            directory,
            ca_digest,
            shelf: shelf::Shelf::default(),
            places: Default::default(),
        })
    }
}

/// The endpoint's routes.
pub fn router(config: Config, directory: Arc<dyn Directory>) -> Router {
    routes(Endpoint::new(config, directory))
}

fn routes(endpoint: Arc<Endpoint>) -> Router {
    Router::new()
        .route("/boot.ipxe", get(script::entry))
        .route(paths::SCRIPT, get(script::of_mac))
        .route(paths::CA, get(files::ca))
        .route(paths::RAMDISK, get(files::ramdisk))
        .route(paths::AGENT, get(files::program))
        .route(paths::LOADER, get(files::loader))
        .route(paths::IMAGE, get(files::image))
        .route(paths::MEDIA, get(iso::serve))
        .route(paths::UKI, get(uki::serve))
        .route(paths::EVENTS, post(events::hear))
        .route(paths::PHONE_HOME, post(phone_home::call))
        .layer(axum::extract::DefaultBodyLimit::max(64 << 10))
        .with_state(endpoint)
}

/// Serve until cancelled; requests under way are finished.
pub async fn run(
    listener: TcpListener,
    config: Config,
    directory: Arc<dyn Directory>,
    cancel: CancellationToken,
) {
    let endpoint = Endpoint::new(config, directory);
    connections::serve(listener, endpoint, connections::Bounds::default(), cancel).await;
}
