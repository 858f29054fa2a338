//! The answer to a request for a part of a file, for hyper: status, headers, and the bytes, read a piece at a time.

use std::{io, os::unix::fs::FileExt, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::stream;

use super::{
    ranges::{Conditions, Part},
    shelf::Shelved,
};

/// Read at once.
const CHUNK: u64 = 256 << 10;

/// What is put over a piece of the file that was read from there on.
pub(super) type Over = dyn Fn(u64, &mut [u8]) + Send + Sync;

/// What a request says about the part it wants.
pub(super) fn conditions(request: &Parts) -> Conditions<'_> {
    let given = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    Conditions {
        if_match: given(header::IF_MATCH),
        if_none_match: given(header::IF_NONE_MATCH),
        if_range: given(header::IF_RANGE),
        // A range is for GET alone (RFC 9110 section 14.2).
        range: given(header::RANGE).filter(|_| request.method == Method::GET),
    }
}

/// That part of a file, which has this tag as it is sent: with `over` laid over it.
pub(super) fn answer(
    file: Arc<Shelved>,
    etag: &str,
    content_type: &'static str,
    part: Part,
    over: Arc<Over>,
) -> Response {
    let size = file.size;
    let mut headers = HeaderMap::new();
    let mut say = |name, value: String| value.parse().map(|value| headers.insert(name, value)).is_ok();
    say(header::ETAG, etag.into());
    say(header::ACCEPT_RANGES, "bytes".into());
    let (status, from, length) = match part {
        Part::NotModified => return (StatusCode::NOT_MODIFIED, headers).into_response(),
        Part::Failed => return (StatusCode::PRECONDITION_FAILED, headers).into_response(),
        Part::Unsatisfiable => {
            say(header::CONTENT_RANGE, format!("bytes */{size}"));
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
        }
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Bytes { from, length } => {
            say(header::CONTENT_RANGE, format!("bytes {from}-{}/{size}", from + length - 1));
            (StatusCode::PARTIAL_CONTENT, from, length)
        }
    };
    say(header::CONTENT_LENGTH, length.to_string());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    (status, headers, body(file, from, from + length, over)).into_response()
}

fn body(file: Arc<Shelved>, from: u64, end: u64, over: Arc<Over>) -> Body {
    Body::from_stream(stream::unfold((file, over, from), move |(file, over, at)| async move {
        if at >= end {
            return None;
        }
        let (open, length) = (Arc::clone(&file.file), (end - at).min(CHUNK));
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            open.read_exact_at(&mut chunk, at).map(|()| chunk)
        });
        let chunk = read.await.map_err(io::Error::other).flatten().map(|mut chunk| {
            over(at, &mut chunk);
            Bytes::from(chunk)
        });
        Some((chunk, (file, over, at + length)))
    }))
}
