//! Files: the agent's kernel, initramfs and program, network boot loaders, images, the CA certificate.
//!
//! A name in a path is never joined to a directory unchecked: it is one of a list, or a digest. Most requests for files
//! never come here: `direct.rs` answers them without a copy. What it leaves to the router (an escaped path, HTTP/1.0)
//! is answered alike, by the same [`locate`], shelf and conditions.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use underlay_core::image::Sha256;

use super::{
    Config, Endpoint,
    answer::{answer, conditions},
    direct,
    shelf::Asset,
};

const RAMDISK: [&str; 2] = ["vmlinuz", "initrd"];
const LOADERS: [&str; 6] =
    ["ipxe.efi", "snponly.efi", "snponly-arm64.efi", "undionly.kpxe", "ipxe.pxe", "ipxe.lkrn"];
const BINARY: &str = "application/octet-stream";

/// Why no file is meant; for who reads the answer.
pub(super) type Missing = &'static str;

/// The file that a path means; none where it is not a path of files.
pub(super) fn locate(config: &Config, path: &str) -> Option<Result<Asset, Missing>> {
    let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    match parts[..] {
        ["ramdisk", file] => Some(in_ramdisk(config, file)),
        ["agent"] => Some(Ok(agent(config))),
        ["loader", file] => Some(in_loaders(config, file)),
        ["images", sha256, file] => Some(of_image(config, sha256, file)),
        _ => None,
    }
}

fn in_ramdisk(config: &Config, file: &str) -> Result<Asset, Missing> {
    let file =
        RAMDISK.into_iter().find(|name| *name == file).ok_or("there is only vmlinuz and initrd here")?;
    Ok(Asset { path: config.ramdisk.join(file), tagged_by: None, content_type: BINARY })
}

/// The agent's program, for systems that are installed already. Who fetches it knows what it hashes to.
fn agent(config: &Config) -> Asset {
    Asset { path: config.ramdisk.join("agent"), tagged_by: None, content_type: BINARY }
}

fn in_loaders(config: &Config, file: &str) -> Result<Asset, Missing> {
    let file = LOADERS.into_iter().find(|name| *name == file).ok_or("no such loader")?;
    Ok(Asset { path: config.loaders.join(file), tagged_by: None, content_type: BINARY })
}

/// What is published is never written again, but an image may be removed and imported anew, by another encoder: so the
/// tag of its data is that of its manifest.
fn of_image(config: &Config, sha256: &str, file: &str) -> Result<Asset, Missing> {
    let sha256 = sha256.parse::<Sha256>().map_err(|_| "an image is named by its SHA-256")?;
    let directory = config.images.join(sha256.to_string());
    let manifest = directory.join("manifest.json");
    match file {
        "manifest.json" => Ok(Asset { path: manifest, tagged_by: None, content_type: "application/json" }),
        "data" => Ok(Asset { path: directory.join("data"), tagged_by: Some(manifest), content_type: BINARY }),
        _ => Err("an image has manifest.json and data"),
    }
}

pub(super) async fn ca(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/pkix-cert".to_owned()), (header::DATE, direct::date())];
    (headers, endpoint.config.ca_certificate.clone()).into_response()
}

pub(super) async fn ramdisk(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    tracing::debug!(peer = %peer.ip(), file, "ramdisk fetched");
    serve(&endpoint, in_ramdisk(&endpoint.config, &file), request).await
}

pub(super) async fn program(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    serve(&endpoint, Ok(agent(&endpoint.config)), request).await
}

pub(super) async fn loader(
    State(endpoint): State<Arc<Endpoint>>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    serve(&endpoint, in_loaders(&endpoint.config, &file), request).await
}

pub(super) async fn image(
    State(endpoint): State<Arc<Endpoint>>,
    Path((sha256, file)): Path<(String, String)>,
    request: Request,
) -> Response {
    serve(&endpoint, of_image(&endpoint.config, &sha256, &file), request).await
}

async fn serve(endpoint: &Endpoint, asset: Result<Asset, Missing>, request: Request) -> Response {
    // A body is not to be held across a wait.
    let (request, _) = request.into_parts();
    let asset = match asset {
        Ok(asset) => asset,
        Err(why) => return missing(why),
    };
    let shelved = match endpoint.shelf.take(&asset).await {
        Ok(shelved) => shelved,
        Err(error) => {
            tracing::warn!(path = %asset.path.display(), %error, "asked for a file that is not there");
            return missing("not there");
        }
    };
    let part = conditions(&request).part(&shelved.etag, shelved.size);
    answer(shelved.clone(), &shelved.etag, asset.content_type, part, Arc::new(|_, _| {}))
}

fn missing(why: Missing) -> Response {
    (StatusCode::NOT_FOUND, format!("{why}\n")).into_response()
}
