//! Sources over HTTP, from a server on loopback that behaves badly on purpose.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use support::{Bench, padded, reassemble, sample_disk, sha256};
use underlay_core::ErrorKind;
use underlay_image::{Limits, fetch, import::Error};

/// How the server misbehaves.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// Ends every answer after so many bytes of body.
    drops_after: Option<usize>,
    /// Knows no ranges.
    ignores_range: bool,
    /// Gives another ETag each time.
    changes: bool,
    /// Answers so many requests with 503 first.
    busy_for: usize,
}

struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Shared {
    body: Arc<Vec<u8>>,
    manners: Manners,
    requests: Arc<AtomicUsize>,
}

async fn serve(body: Vec<u8>, manners: Manners) -> Server {
    let requests = Arc::new(AtomicUsize::new(0));
    let shared = Shared { body: Arc::new(body), manners, requests: Arc::clone(&requests) };
    let app = Router::new().route("/image", any(answer)).with_state(shared);
    Server { url: format!("http://{}/image", listen(app).await), requests }
}

async fn listen(app: Router) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn answer(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let manners = shared.manners;
    if number < manners.busy_for {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let etag = if manners.changes { format!("\"{number}\"") } else { "\"same\"".into() };
    let wanted = range(request.headers()).filter(|_| !manners.ignores_range);
    let from = wanted.unwrap_or(0);
    let total = shared.body.len();
    let mut part = shared.body[from..].to_vec();
    let mut response =
        Response::builder().header(header::ETAG, etag).header(header::CONTENT_LENGTH, part.len());
    if wanted.is_some() {
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {from}-{}/{total}", total - 1));
    }
    let cut = manners.drops_after.filter(|most| part.len() > *most);
    if let Some(most) = cut {
        part.truncate(most);
    }
    // A body shorter than announced, and then an error: the connection is closed in the middle.
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        part.chunks(32 << 10).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    let end = cut.map(|_| Err(std::io::ErrorKind::ConnectionReset.into()));
    response.body(Body::from_stream(futures::stream::iter(pieces.into_iter().chain(end)))).unwrap()
}

fn range(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

#[tokio::test]
async fn an_image_is_imported_over_http_in_one_request() {
    let (bench, disk) = (Bench::new().await, sample_disk());
    let server = serve(disk.clone(), Manners::default()).await;
    let image = bench.import_url(&server.url, sha256(&disk)).await.unwrap();
    assert!(reassemble(&image).await == padded(&disk));
    assert_eq!(server.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_dropped_connection_is_taken_up_where_it_left_off() {
    let (bench, disk) = (Bench::new().await, sample_disk());
    let server = serve(disk.clone(), Manners { drops_after: Some(3 << 20), ..Manners::default() }).await;
    let image = bench.import_url(&server.url, sha256(&disk)).await.unwrap();
    assert!(reassemble(&image).await == padded(&disk));
    assert!(server.requests.load(Ordering::Relaxed) >= disk.len() / (3 << 20), "it took several connections");
}

#[tokio::test]
async fn a_server_without_ranges_that_always_drops_is_a_truncated_source() {
    let (bench, disk) = (Bench::new().await, sample_disk());
    let manners = Manners { drops_after: Some(3 << 20), ignores_range: true, ..Manners::default() };
    let server = serve(disk.clone(), manners).await;
    let error = bench.import_url(&server.url, sha256(&disk)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    match error {
        Error::Fetch(fetch::Error::Truncated { received, expected, .. }) => {
            assert!(received > 0 && received <= 3 << 20, "{received}");
            assert_eq!(expected, Some(disk.len() as u64));
        }
        other => panic!("{other}"),
    }
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_not_stitched_together() {
    let (bench, disk) = (Bench::new().await, sample_disk());
    let manners = Manners { drops_after: Some(3 << 20), changes: true, ..Manners::default() };
    let server = serve(disk.clone(), manners).await;
    let error = bench.import_url(&server.url, sha256(&disk)).await.unwrap_err();
    assert!(matches!(error, Error::Fetch(fetch::Error::Changed { .. })), "{error}");
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_then_given_up() {
    let (bench, disk) = (Bench::new().await, sample_disk());
    let patient = serve(disk.clone(), Manners { busy_for: 2, ..Manners::default() }).await;
    bench.import_url(&patient.url, sha256(&disk)).await.unwrap();

    let other = Bench::new().await;
    let server = serve(disk.clone(), Manners { busy_for: 99, ..Manners::default() }).await;
    let error = other.import_url(&server.url, sha256(&disk)).await.unwrap_err();
    assert!(matches!(error, Error::Fetch(fetch::Error::Status { attempts: 3, .. })), "{error}");
    assert_eq!(error.kind(), ErrorKind::Transient);
    other.assert_empty().await;
}

#[tokio::test]
async fn a_missing_file_a_dead_port_and_a_wrong_checksum_are_three_different_things() {
    let bench = Bench::new().await;
    let disk = sample_disk();
    let server = serve(disk.clone(), Manners::default()).await;

    let missing = bench.import_url(&server.url.replace("/image", "/other"), sha256(&disk)).await.unwrap_err();
    assert!(matches!(missing, Error::Fetch(fetch::Error::Status { attempts: 1, .. })), "{missing}");
    assert_eq!(missing.kind(), ErrorKind::Invalid);

    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/image", dead.local_addr().unwrap());
    drop(dead);
    let unreachable = bench.import_url(&url, sha256(&disk)).await.unwrap_err();
    assert!(
        matches!(unreachable, Error::Fetch(fetch::Error::Unreachable { attempts: 3, .. })),
        "{unreachable}"
    );
    assert_eq!(unreachable.kind(), ErrorKind::Transient);

    let wrong = bench.import_url(&server.url, sha256(b"another")).await.unwrap_err();
    assert!(matches!(wrong, Error::WrongChecksum { .. }), "{wrong}");
    let failure = wrong.failure("debian-12");
    assert_eq!(failure.what, "image debian-12: import");
    assert_eq!(failure.attribute.as_deref(), Some("source.sha256"));
    assert!(failure.why.contains(&sha256(&disk).to_string()), "{}", failure.why);
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_redirect_is_followed_within_its_scheme_a_few_times_and_no_further() {
    let (bench, disk) = (Bench::new().await, sample_disk());
    let server = serve(disk.clone(), Manners::default()).await;
    let to = |target: String| {
        let answer = move || async move {
            Ok::<_, Infallible>((StatusCode::FOUND, [(header::LOCATION, target.clone())]))
        };
        any(answer)
    };
    let app = Router::new()
        .route("/near", to(server.url.clone()))
        .route("/file", to("file:///etc/hostname".into()))
        .route("/other", to(server.url.replace("http:", "https:")))
        .route("/loop", to("/loop".into()));
    let base = format!("http://{}", listen(app).await);
    for path in ["/file", "/other", "/loop"] {
        let error = bench.import_url(&format!("{base}{path}"), sha256(&disk)).await.unwrap_err();
        assert!(matches!(error, Error::Fetch(fetch::Error::Redirect { .. })), "{path}: {error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    bench.assert_empty().await;
    bench.import_url(&format!("{base}/near"), sha256(&disk)).await.unwrap();
}

#[tokio::test]
async fn what_is_announced_or_sent_beyond_the_limit_is_refused() {
    let bench = Bench::with(Limits { source: 1 << 20, ..Limits::default() }).await;
    let disk = sample_disk();
    let server = serve(disk.clone(), Manners::default()).await;
    let error = bench.import_url(&server.url, sha256(&disk)).await.unwrap_err();
    assert!(matches!(error, Error::Fetch(fetch::Error::TooLarge { .. })), "{error}");

    // A server that announces nothing and never ends.
    let endless = || async {
        Body::from_stream(futures::stream::repeat_with(|| {
            Ok::<_, Infallible>(Bytes::from(vec![7; 64 << 10]))
        }))
    };
    let url = format!("http://{}/", listen(Router::new().route("/", any(endless))).await);
    let error = bench.import_url(&url, sha256(&disk)).await.unwrap_err();
    assert!(
        matches!(error, Error::Fetch(fetch::Error::TooLarge { .. }) | Error::SourceTooLarge { .. }),
        "{error}"
    );
    bench.assert_empty().await;
}

#[tokio::test]
async fn a_signature_in_the_url_appears_in_no_error() {
    let bench = Bench::new().await;
    let server = serve(sample_disk(), Manners { busy_for: 99, ..Manners::default() }).await;
    let url = format!("{}?signature=canary", server.url);
    for url in [url, "http://127.0.0.1:1/image?signature=canary".into()] {
        let error = bench.import_url(&url, sha256(b"x")).await.unwrap_err();
        let shown = format!("{error:?} {:?}", error.failure("x"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
