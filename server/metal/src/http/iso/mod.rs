//! The ISO of one host's boot, which its BMC reads and shows it as a CD: the ramdisk's `boot.iso`, with the host's kernel
//! line laid over the placeholder in it while it is read. No ISO is ever made for a host.
//!
//! - `placeholder.rs`: where in the base image the line goes; `overlay.rs`: the line over a part of the image
//!
//! BMCs ask for a HEAD, for parts, for the same part again after a cut line, and some for all of it; they get what
//! [`super::ranges`] says, by a tag that is of the image and of the line. The path is a secret. Memory per reader: one
//! chunk.

mod overlay;
mod placeholder;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use underlay_core::{ObjectId, boot::Media};

use self::placeholder::Place;
use super::{
    Endpoint,
    answer::conditions,
    line::Agent,
    ranges::Part,
    shelf::{Asset, Shelved},
};

pub(super) use overlay::Overlay;
pub use placeholder::{LENGTH, MARKER, placeholder};

/// The base image, beside kernel and initramfs.
pub const BASE: &str = "boot.iso";
const TYPE: &str = "application/octet-stream";

/// Where the place in each base image is, found once for each; there are two of them, and perhaps those of before.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<VecDeque<(String, Place)>>);

/// How many are remembered.
const REMEMBERED: usize = 4;

impl Places {
    fn known(&self, etag: &str) -> Option<Place> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(known, _)| known == etag).map(|(_, place)| place.clone())
    }

    async fn find(&self, base: &Arc<Shelved>) -> Place {
        if let Some(place) = self.known(&base.etag) {
            return place;
        }
        let (file, size) = (Arc::clone(&base.file), base.size);
        let found = tokio::task::spawn_blocking(move || placeholder::find(&*file, size)).await;
        let place = found.unwrap_or_else(|error| Place::Unreadable(error.to_string()));
        if !matches!(place, Place::Unreadable(_)) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.push_front((base.etag.clone(), place.clone()));
            known.truncate(REMEMBERED);
        }
        place
    }
}

/// Answers a BMC.
pub(super) async fn serve(
    State(endpoint): State<Arc<Endpoint>>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    // A body is not to be held across a wait.
    let (request, _) = request.into_parts();
    let asked = file.strip_suffix(".iso").and_then(|secret| endpoint.directory.media(secret));
    let Some((host, media)) = asked else {
        return (StatusCode::NOT_FOUND, "no such image\n").into_response();
    };
    let Media { url, mac, address, token, .. } = &media;
    let words = Agent { base: url, mac: *mac, address: *address, token: Some(token) }.words(&endpoint);
    let (base, overlay) = match overlaid(&endpoint, BASE, &words).await {
        Ok(image) => image,
        Err(why) => {
            tracing::error!(%host, why, "a boot image cannot be served");
            return (StatusCode::SERVICE_UNAVAILABLE, "the server has no boot image\n").into_response();
        }
    };
    let part = asked_part(&base, &overlay, &request);
    if request.method == Method::GET {
        notice(&endpoint, host, part, &overlay);
    }
    answer(base, overlay, part)
}

/// The part of an overlaid file that a request asks for.
pub(super) fn part_of(base: Arc<Shelved>, overlay: Overlay, request: &Parts) -> Response {
    let part = asked_part(&base, &overlay, request);
    answer(base, overlay, part)
}

fn asked_part(base: &Shelved, overlay: &Overlay, request: &Parts) -> Part {
    conditions(request).part(&overlay.etag(&base.etag), base.size)
}

/// A file of the ramdisk with a place for a line, and these words laid over it; or why there is none, for the operator.
pub(super) async fn overlaid(
    endpoint: &Endpoint,
    file: &str,
    words: &str,
) -> Result<(Arc<Shelved>, Overlay), String> {
    let path = endpoint.config.ramdisk.join(file);
    let asset = Asset { path: path.clone(), tagged_by: None, content_type: TYPE };
    let path = path.display();
    let base = endpoint
        .shelf
        .take(&asset)
        .await
        .map_err(|error| format!("{path}: {error}; make it: underlay ramdisk build"))?;
    let at = match endpoint.places.find(&base).await {
        Place::At(at) => at,
        Place::Unreadable(why) => return Err(format!("{path}: {why}")),
        Place::Missing => {
            return Err(format!(
                "{path} has no place for a kernel line; make it again: underlay ramdisk build"
            ));
        }
        Place::Several => {
            let why = "has several places for a kernel line, and which one counts is not known";
            return Err(format!("{path} {why}; make it again: underlay ramdisk build"));
        }
    };
    Ok((base, Overlay::new(at, words)?))
}

/// Who reads the line starts from the image: no more can be seen of that from here.
fn notice(endpoint: &Endpoint, host: ObjectId, part: Part, overlay: &Overlay) {
    let (from, length) = match part {
        Part::Whole => (0, u64::MAX),
        Part::Bytes { from, length } => (from, length),
        Part::NotModified | Part::Failed | Part::Unsatisfiable => return,
    };
    if overlay.touches(from, length) {
        endpoint.directory.saw_bmc(host, "its BMC read the boot menu of its image");
    }
}

fn answer(base: Arc<Shelved>, overlay: Overlay, part: Part) -> Response {
    let etag = overlay.etag(&base.etag);
    let over = Arc::new(move |at, chunk: &mut [u8]| overlay.lay_over(at, chunk));
    let mut response = super::answer::answer(base, &etag, TYPE, part, over);
    // It holds a token.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
