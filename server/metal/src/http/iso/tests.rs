//! A BMC that reads an image: all of it, parts, cut and resumed; and what is refused. `hostile` is random input, which
//! `scripts/fuzz.sh iso` runs for longer.

mod hostile;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use tower::ServiceExt as _;
use underlay_core::{
    Mac, ObjectId,
    boot::{Answer, Directory, Media, PhoneHome, Redemption, Token},
    host::Address,
    network::Unknown,
    view,
};

use super::{LENGTH, MARKER, placeholder};
use crate::http::{router, tests::config};

const SECRET: &str = "5ec2e7";
const TOKEN: &str = "canary-4711";
/// The place begins across a border of blocks.
const AT: usize = (1 << 20) - 500;

/// One boot has an image.
struct One {
    host: ObjectId,
    mac: Option<Mac>,
    address: Option<Address>,
    seen: Mutex<Vec<ObjectId>>,
}

#[async_trait]
impl Directory for One {
    async fn answer(&self, _: Mac, _: std::net::IpAddr) -> Result<Answer, view::Error> {
        Ok(Answer::Unknown(Unknown::Ignore))
    }

    fn saw(&self, _: Mac, _: &str) {}

    fn saw_bmc(&self, host: ObjectId, _: &str) {
        self.seen.lock().expect("whole").push(host);
    }

    fn media(&self, secret: &str) -> Option<(ObjectId, Media)> {
        let (token, url) = (Token(TOKEN.to_owned().into()), "http://10.77.0.1:7480".into());
        (secret == SECRET)
            .then(|| (self.host, Media { token, epoch: 7, url, mac: self.mac, address: self.address }))
    }

    async fn phone_home(&self, _: PhoneHome) -> Result<Redemption, view::Error> {
        Ok(Redemption::Refused)
    }
}

struct Bench {
    files: tempfile::TempDir,
    one: Arc<One>,
}

/// Bytes that differ from one another, with `middle` in them.
fn image(at: usize, middle: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..(3 << 20) + 77_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    bytes[at..at + middle.len()].copy_from_slice(middle.as_bytes());
    bytes
}

impl Bench {
    fn with(base: Option<&[u8]>) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(files.path().join("ramdisk")).expect("made");
        if let Some(base) = base {
            std::fs::write(files.path().join("ramdisk/boot.iso"), base).expect("written");
        }
        let one = One { host: ObjectId::new(), mac: None, address: None, seen: Mutex::default() };
        Self { files, one: Arc::new(one) }
    }

    fn new() -> Self {
        Self::with(Some(&image(AT, &placeholder())))
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Bytes) {
        let peer = std::net::SocketAddr::from(([10, 0, 9, 17], 40000));
        let router = router(config(self.files.path()), self.one.clone()).layer(MockConnectInfo(peer));
        // The BMC knows us by another address than the host does.
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "10.0.9.1:7480");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let (parts, body) = router.oneshot(request).await.expect("an answer").into_parts();
        (parts.status, parts.headers, to_bytes(body, 8 << 20).await.expect("a body"))
    }

    async fn get(&self, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        self.send("GET", &format!("/v1/media/{SECRET}.iso"), headers).await
    }

    fn seen(&self) -> usize {
        let seen = self.one.seen.lock().expect("whole");
        assert!(seen.iter().all(|host| *host == self.one.host));
        seen.len()
    }
}

/// What the BMC should read.
fn expected() -> Vec<u8> {
    use sha2::Digest;
    let ca = hex::encode(sha2::Sha256::digest(b"certificate"));
    let words = format!(
        "underlay.url=http://10.77.0.1:7480 underlay.api=https://10.77.0.1:7443 underlay.ca={ca} underlay.mode=deploy \
         underlay.token={TOKEN}"
    );
    image(AT, &format!("{words:<LENGTH$}"))
}

#[tokio::test]
async fn a_bmc_reads_the_base_image_with_the_line_of_its_host_in_it() {
    let bench = Bench::new();
    let (status, headers, body) = bench.get(&[]).await;
    assert_eq!((status, bench.seen()), (StatusCode::OK, 1));
    assert!(body == expected(), "the whole image");
    assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
    assert_eq!(headers[header::ACCEPT_RANGES], "bytes");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let (status, of_head, body) = bench.send("HEAD", &format!("/v1/media/{SECRET}.iso"), &[]).await;
    assert_eq!((status, body.len(), bench.seen()), (StatusCode::OK, 0, 1));
    for name in [header::CONTENT_LENGTH, header::ETAG, header::ACCEPT_RANGES] {
        assert_eq!(of_head[&name], headers[&name], "{name}");
    }
}

#[tokio::test]
async fn a_host_without_dhcp_is_told_its_address() {
    let mut bench = Bench::new();
    let one = Arc::get_mut(&mut bench.one).expect("nobody else has it");
    one.mac = Some(Mac([0x52, 0x54, 0, 0, 0, 1]));
    let gateway = Some([10, 77, 0, 254].into());
    one.address = Some(Address { cidr: "10.77.0.9/24".parse().expect("an address"), gateway });
    let (_, _, body) = bench.get(&[("range", &format!("bytes={AT}-{}", AT + LENGTH - 1))]).await;
    let line = String::from_utf8_lossy(&body).into_owned();
    let words = " underlay.mac=52:54:00:00:00:01 underlay.address=10.77.0.9/24 underlay.gateway=10.77.0.254 underlay.mode=deploy ";
    assert!(line.contains(words), "{line}");
}

#[tokio::test]
async fn a_read_that_was_cut_is_resumed_where_it_ended() {
    let bench = Bench::new();
    let (expected, mut read) = (expected(), Vec::new());
    let (_, headers, _) = bench.send("HEAD", &format!("/v1/media/{SECRET}.iso"), &[]).await;
    let etag = headers[header::ETAG].to_str().expect("text").to_owned();
    // Lines are cut anywhere, in the middle of the kernel's line too.
    for cut in [1, 2048, AT - 3, AT + 1, AT + 700, AT + LENGTH + 1, 2 << 20, expected.len()] {
        let range = format!("bytes={}-", read.len());
        let (status, headers, body) = bench.get(&[("range", &range), ("if-range", &etag)]).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT, "{range}");
        let says = format!("bytes {}-{}/{}", read.len(), expected.len() - 1, expected.len());
        assert_eq!(headers[header::CONTENT_RANGE], says);
        let taken = cut - read.len();
        read.extend_from_slice(&body[..taken]);
    }
    assert!(read == expected);
    // With the tag of another boot's image all of it comes, and not a part of another.
    let (status, _, body) = bench.get(&[("range", "bytes=9-"), ("if-range", "\"other\"")]).await;
    assert!(status == StatusCode::OK && body == expected);
    let beyond = format!("bytes={}-", expected.len());
    let (status, headers, _) = bench.get(&[("range", &beyond)]).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(headers[header::CONTENT_RANGE], format!("bytes */{}", expected.len()));
    let (status, _, body) = bench.get(&[("if-none-match", &etag)]).await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn who_reads_the_menu_is_noticed_and_who_reads_the_rest_is_not() {
    let bench = Bench::new();
    for (range, seen) in [
        (format!("bytes=0-{}", AT - 1), 0),
        (format!("bytes={}-", AT + LENGTH), 0),
        (format!("bytes={}-{}", AT + LENGTH - 1, AT + LENGTH), 1),
        (format!("bytes=0-{AT}"), 2),
    ] {
        let (status, ..) = bench.get(&[("range", &range)]).await;
        assert_eq!((status, bench.seen()), (StatusCode::PARTIAL_CONTENT, seen), "{range}");
    }
}

#[tokio::test]
async fn nobody_else_is_given_an_image() {
    let bench = Bench::new();
    for path in [
        "/v1/media/.iso".to_owned(),
        "/v1/media/5ec2e8.iso".into(),
        format!("/v1/media/{SECRET}"),
        format!("/v1/media/{SECRET}.iso.iso"),
        format!("/v1/media/{SECRET}.ISO"),
        format!("/v1/ramdisk/{SECRET}.iso"),
        "/v1/ramdisk/boot.iso".into(),
    ] {
        let (status, _, body) = bench.send("GET", &path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!String::from_utf8_lossy(&body).contains(TOKEN));
    }
}

#[tokio::test]
async fn a_base_image_without_exactly_one_place_for_the_line_is_not_served() {
    let whole = placeholder();
    let mut twice = image(AT, &whole);
    twice[7..7 + LENGTH].copy_from_slice(whole.as_bytes());
    let mut cut = image(AT, &whole);
    cut.truncate(AT + LENGTH - 1);
    let spoilt = image(AT, &whole.replace("_____", "____x"));
    let only_marker = image(AT, MARKER);
    for base in
        [None, Some(image(0, "")), Some(twice), Some(cut), Some(spoilt), Some(only_marker), Some(Vec::new())]
    {
        let bench = Bench::with(base.as_deref());
        let (status, _, body) = bench.get(&[]).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(&body[..], b"the server has no boot image\n");
    }
    // Where the place is does not matter.
    for at in [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 77 - LENGTH] {
        let bench = Bench::with(Some(&image(at, &whole)));
        let (status, _, body) = bench.get(&[]).await;
        assert_eq!(status, StatusCode::OK, "{at}");
        assert!(body[at..].starts_with(b"underlay.url="), "{at}");
    }
}

#[tokio::test]
async fn a_base_image_that_was_made_again_is_looked_through_again() {
    let bench = Bench::new();
    let (_, before, _) = bench.get(&[]).await;
    let path = bench.files.path().join("ramdisk/boot.iso");
    std::fs::write(path.with_extension("part"), image(5, &placeholder())).expect("written");
    std::fs::rename(path.with_extension("part"), &path).expect("moved");
    let (status, after, body) = bench.get(&[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body[5..].starts_with(b"underlay.url=") && before[header::ETAG] != after[header::ETAG]);
}
