//! Files: the agent's kernel and initramfs, network boot loaders, images, the CA certificate. Range, conditional
//! requests and content length are tower-http's.
//!
//! A name in a path is never joined to a directory unchecked: it is one of a list, or a digest.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_http::services::ServeFile;
use underlay_core::image::Sha256;

use super::Endpoint;

const RAMDISK: [&str; 2] = ["vmlinuz", "initrd"];
const LOADERS: [&str; 6] = ["ipxe.efi", "snponly.efi", "snponly-arm64.efi", "undionly.kpxe", "ipxe.pxe", "ipxe.lkrn"];

pub(super) async fn ca(State(endpoint): State<Arc<Endpoint>>) -> Response {
    ([(header::CONTENT_TYPE, "application/pkix-cert")], endpoint.config.ca_certificate.clone())
        .into_response()
}

pub(super) async fn ramdisk(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    if !RAMDISK.contains(&file.as_str()) {
        return missing("there is only vmlinuz and initrd here");
    }
    tracing::debug!(peer = %peer.ip(), file, "ramdisk fetched");
    serve(endpoint.config.ramdisk.join(&file), request, None).await
}

pub(super) async fn loader(
    State(endpoint): State<Arc<Endpoint>>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    if !LOADERS.contains(&file.as_str()) {
        return missing("no such loader");
    }
    serve(endpoint.config.loaders.join(&file), request, None).await
}

pub(super) async fn image(
    State(endpoint): State<Arc<Endpoint>>,
    Path((sha256, file)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Ok(sha256) = sha256.parse::<Sha256>() else { return missing("an image is named by its SHA-256") };
    if file != "manifest.json" && file != "data" {
        return missing("an image has manifest.json and data");
    }
    let path = endpoint.config.images.join(sha256.to_string()).join(&file);
    serve(path, request, Some(format!("\"{sha256}-{file}\""))).await
}

async fn serve(path: PathBuf, request: Request, etag: Option<String>) -> Response {
    let mut response = match ServeFile::new(&path).with_buf_chunk_size(256 << 10).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        tracing::warn!(path = %path.display(), "asked for a file that is not there");
        return missing("not there");
    }
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn missing(why: &'static str) -> Response {
    (StatusCode::NOT_FOUND, format!("{why}\n")).into_response()
}
