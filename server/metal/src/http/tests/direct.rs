//! Files over real connections: every kind of range and precondition, and requests that are left to the router.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{SHA, Says, agent, config};
use crate::http::{
    Endpoint,
    connections::{self, Bounds},
};

/// Larger than what is answered out of memory, and than a turn.
const LARGE: usize = (3 << 20) + 17;

fn content() -> Vec<u8> {
    (0..LARGE).map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap()).collect()
}

struct Site {
    address: SocketAddr,
    files: tempfile::TempDir,
    _running: DropGuard,
}

impl Site {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = files.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        put("ramdisk/vmlinuz", b"0123456789");
        put("ramdisk/initrd", &content());
        put("loaders/ipxe.efi", b"");
        put(&format!("images/{SHA}/manifest.json"), b"{}");
        put(&format!("images/{SHA}/data"), &content());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let endpoint = Endpoint::new(config(files.path()), Says::new(agent()));
        let bounds = Bounds { connections: 8, head: Duration::from_secs(30) };
        tokio::spawn(connections::serve(listener, endpoint, bounds, cancel.clone()));
        Self { address, files, _running: cancel.drop_guard() }
    }

    async fn connect(&self) -> Talk {
        Talk { stream: TcpStream::connect(self.address).await.unwrap(), rest: Vec::new() }
    }
}

struct Talk {
    stream: TcpStream,
    rest: Vec<u8>,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| -> Option<(String, usize)> {
            let (found, _) = line.split_once(':')?;
            Some((found.to_ascii_lowercase(), found.len() + 1))
        };
        self.head
            .lines()
            .find_map(|line| of(line).filter(|(found, _)| found == name).map(|(_, at)| line[at..].trim()))
    }
}

impl Talk {
    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn more(&mut self) -> usize {
        let read = timeout(Duration::from_secs(30), self.stream.read_buf(&mut self.rest)).await;
        read.expect("an answer in time").unwrap()
    }

    async fn answer(&mut self, is_head: IsHead) -> Answer {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more().await > 0, "closed: {:?}", String::from_utf8_lossy(&self.rest));
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let length: usize = if is_head == IsHead::Yes || status == 304 { 0 } else { length };
        while self.rest.len() < length {
            assert!(self.more().await > 0, "closed within a body");
        }
        answer.body = self.rest.drain(..length).collect();
        answer
    }

    async fn get(&mut self, path: &str, headers: &str) -> Answer {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: server\r\n{headers}\r\n")).await;
        self.answer(IsHead::No).await
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsHead {
    Yes,
    No,
}

const INITRD: &str = "/v1/ramdisk/initrd";

#[tokio::test]
async fn a_range_of_a_large_file_is_that_range_over_one_connection() {
    let (site, content) = (Site::new().await, content());
    let mut talk = site.connect().await;
    let etag = format!("\"{}\"", blake3::hash(&content).to_hex());
    let last = LARGE - 1;
    for (range, part) in [
        (String::new(), 0..LARGE),
        ("Range: bytes=0-0\r\n".into(), 0..1),
        ("range:bytes=1048575-1048576\r\n".into(), 1_048_575..1_048_577),
        (format!("Range: bytes={last}-\r\n"), last..LARGE),
        ("Range: bytes=-2000000\r\n".into(), LARGE - 2_000_000..LARGE),
        (format!("Range: bytes=5-\r\nIf-Range: {etag}\r\n"), 5..LARGE),
    ] {
        let answer = talk.get(INITRD, &range).await;
        assert_eq!(answer.status, if range.is_empty() { 200 } else { 206 }, "{range}");
        assert!(answer.body == content[part.clone()], "{range}");
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        let said = format!("bytes {}-{}/{LARGE}", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), (!range.is_empty()).then_some(said.as_str()));
    }
    for (headers, status) in [
        (format!("If-None-Match: {etag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{etag}\r\n"), 304),
        ("If-Match: \"x\"\r\n".into(), 412),
        (format!("Range: bytes={LARGE}-\r\n"), 416),
        ("Range: bytes=1-2\r\nIf-Range: \"x\"\r\n".into(), 200),
        ("Range: bytes=0-1,5-6\r\n".into(), 200),
        (format!("If-Match: {etag}\r\nRange: bytes=3-4\r\n"), 206),
    ] {
        let answer = talk.get(INITRD, &headers).await;
        assert_eq!(answer.status, status, "{headers}");
        let size = match status {
            200 => LARGE,
            206 => 2,
            _ => 0,
        };
        assert_eq!(answer.body.len(), size, "{headers}");
    }
}

/// What the direct way and the router say to the same request is the same, to the byte where it matters.
#[tokio::test]
async fn the_router_answers_the_same_request_alike() {
    let site = Site::new().await;
    let image = format!("/v1/images/{SHA}/data");
    let mut direct = site.connect().await;
    for path in
        [INITRD, "/v1/ramdisk/vmlinuz", "/v1/ramdisk/other", "/v1/loader/ipxe.efi", "/v1/loader/x", &image]
    {
        for headers in [
            "",
            "Range: bytes=2-5\r\n",
            "Range: bytes=-3\r\n",
            "Range: bytes=99999999-\r\n",
            "If-None-Match: *\r\n",
            "If-Match: \"x\"\r\n",
        ] {
            let ours = direct.get(path, headers).await;
            // A body, if an empty one, is more than the direct way takes.
            let mut other = site.connect().await;
            let routed = other.get(path, &format!("{headers}TE: trailers\r\n")).await;
            assert_eq!(ours.status, routed.status, "{path} {headers}");
            for name in ["etag", "content-range", "content-length", "content-type", "accept-ranges"] {
                let (one, two) = (ours.header(name), routed.header(name));
                let unsaid = name == "content-length" && ours.body.is_empty() && routed.body.is_empty();
                assert!(one == two || unsaid, "{path} {headers}: {name} {one:?} {two:?}");
            }
            assert!(ours.body == routed.body, "{path} {headers}");
        }
    }
}

#[tokio::test]
async fn a_connection_goes_from_files_to_scripts_and_back() {
    let site = Site::new().await;
    let mut talk = site.connect().await;
    assert_eq!(talk.get("/v1/ramdisk/vmlinuz", "").await.body, b"0123456789");
    assert!(talk.get("/boot.ipxe", "").await.body.starts_with(b"#!ipxe"));
    assert_eq!(talk.get("/v1/ramdisk/vmlinuz", "Range: bytes=1-3\r\n").await.body, b"123");
    assert_eq!(talk.get("/v1/ramdisk/%76mlinuz", "").await.body, b"0123456789", "an escaped path");
}

#[tokio::test]
async fn requests_that_come_in_one_piece_or_byte_by_byte_are_answered_in_turn() {
    let site = Site::new().await;
    let mut talk = site.connect().await;
    let small = "GET /v1/ramdisk/vmlinuz HTTP/1.1\r\nHost: s\r\n\r\n";
    let large = format!("GET {INITRD} HTTP/1.1\r\nHost: s\r\nRange: bytes=7-1500000\r\n\r\n");
    let head = "HEAD /v1/ramdisk/vmlinuz HTTP/1.1\r\nHost: s\r\nRange: bytes=1-2\r\n\r\n";
    talk.say(&format!("{small}{large}{head}{small}GET /boot.ipxe HTTP/1.1\r\nHost: s\r\n\r\n")).await;
    assert_eq!(talk.answer(IsHead::No).await.body, b"0123456789");
    assert!(talk.answer(IsHead::No).await.body == content()[7..=1_500_000]);
    let said = talk.answer(IsHead::Yes).await;
    assert_eq!((said.status, said.header("content-length")), (200, Some("10")));
    assert_eq!(talk.answer(IsHead::No).await.body, b"0123456789");
    assert_eq!(talk.answer(IsHead::No).await.status, 200);

    let mut slow = site.connect().await;
    for byte in small.chars() {
        slow.say(&byte.to_string()).await;
    }
    assert_eq!(slow.answer(IsHead::No).await.body, b"0123456789");
}

#[tokio::test]
async fn who_asks_to_close_is_closed_on_and_an_endless_head_is_cut_off() {
    let site = Site::new().await;
    let mut talk = site.connect().await;
    assert_eq!(
        talk.get("/v1/ramdisk/vmlinuz", "Connection: close\r\n").await.header("connection"),
        Some("close")
    );
    assert_eq!(talk.more().await, 0);

    let mut endless = site.connect().await;
    endless.say("GET /v1/ramdisk/vmlinuz HTTP/1.1\r\nHost: s\r\n").await;
    let line = format!("X-Filler: {}\r\n", "y".repeat(1000));
    let mut sent = 0;
    // It is answered and closed, or reset, long before this much is taken.
    while sent < 8 << 20 && endless.stream.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    assert!(sent < 8 << 20, "{sent} bytes of a head were taken");
}

#[tokio::test]
async fn a_file_that_is_cut_short_while_it_is_sent_ends_the_connection() {
    let site = Site::new().await;
    let path = site.files.path().join("ramdisk/initrd");
    let file = std::fs::File::create(path).unwrap();
    // More than the buffers of both ends hold.
    let size = 64 << 20;
    file.set_len(size).unwrap();
    let mut talk = site.connect().await;
    talk.say(&format!("GET {INITRD} HTTP/1.1\r\nHost: s\r\n\r\n")).await;
    assert!(talk.more().await > 0);
    file.set_len(1000).unwrap();
    let mut all = talk.rest;
    // Closed or reset, but never filled up with something else.
    let _ = timeout(Duration::from_secs(30), talk.stream.read_to_end(&mut all)).await.expect("an end");
    assert!(u64::try_from(all.len()).unwrap() < size);
}
