//! Files: the agent's kernel and initramfs, network boot loaders, images, the CA certificate. Range, conditional
//! requests and content length are tower-http's.
//!
//! A name in a path is never joined to a directory unchecked: it is one of a list, or a digest.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;
use tower_http::services::ServeFile;
use underlay_core::image::Sha256;

use super::Endpoint;

const RAMDISK: [&str; 2] = ["vmlinuz", "initrd"];
const LOADERS: [&str; 6] =
    ["ipxe.efi", "snponly.efi", "snponly-arm64.efi", "undionly.kpxe", "ipxe.pxe", "ipxe.lkrn"];

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
    serve(endpoint.config.ramdisk.join(&file), request).await
}

pub(super) async fn loader(
    State(endpoint): State<Arc<Endpoint>>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    if !LOADERS.contains(&file.as_str()) {
        return missing("no such loader");
    }
    serve(endpoint.config.loaders.join(&file), request).await
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
    serve_tagged(path, request).await
}

/// What is published is never written again, but an image may be removed and imported anew, by another encoder: so its
/// tag is of the file, not of its name.
async fn serve_tagged(path: PathBuf, mut request: Request) -> Response {
    let Some(etag) = etag(&path).await else { return missing("not there") };
    match conditions(request.headers(), &etag) {
        Wanted::Nothing => return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response(),
        Wanted::Whole => drop(request.headers_mut().remove(header::RANGE)),
        Wanted::AsAsked => {}
    }
    let mut response = serve(path, request).await;
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// What a conditional request wants of what is there now.
enum Wanted {
    /// It has it already.
    Nothing,
    /// All of it: the part it has is of something else.
    Whole,
    /// What it says.
    AsAsked,
}

/// `If-None-Match` and `If-Range` against a strong tag (RFC 9110 sections 13.1.2 and 13.1.5).
fn conditions(headers: &HeaderMap, etag: &str) -> Wanted {
    let given = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if given(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        return Wanted::Nothing;
    }
    match given(header::IF_RANGE) {
        Some(tag) if tag != etag => Wanted::Whole,
        _ => Wanted::AsAsked,
    }
}

/// A strong entity tag (RFC 9110 section 8.8.3): length, inode and time of the file.
async fn etag(path: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let of = tokio::fs::metadata(path).await.ok().filter(|of| of.is_file())?;
    Some(format!("\"{:x}-{:x}-{:x}.{:x}\"", of.len(), of.ino(), of.mtime(), of.mtime_nsec()))
}

async fn serve(path: PathBuf, request: Request) -> Response {
    let response = match ServeFile::new(&path).with_buf_chunk_size(256 << 10).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        tracing::warn!(path = %path.display(), "asked for a file that is not there");
        return missing("not there");
    }
    response
}

fn missing(why: &'static str) -> Response {
    (StatusCode::NOT_FOUND, format!("{why}\n")).into_response()
}
