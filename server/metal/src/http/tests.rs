//! The boot endpoint's answers, without a network; `ipxe` boots real firmware from it.

mod connections;
mod direct;
mod hostile;
mod ipxe;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use tower::ServiceExt as _;
use underlay_core::{
    Mac, ObjectId,
    boot::{self, Answer, Directory, PhoneHome, Plan, Redemption, Token},
    network::Unknown,
    view,
};

use super::{Config, router};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A directory that says one thing to everybody.
pub(super) struct Says {
    answer: Option<Answer>,
    redemption: Option<Redemption>,
    pub(super) seen: Mutex<Vec<(Mac, String)>>,
    calls: Mutex<Vec<PhoneHome>>,
}

impl Says {
    pub(super) fn new(answer: Option<Answer>) -> Arc<Self> {
        let redemption = Some(Redemption::Accepted);
        Arc::new(Self { answer, redemption, seen: Mutex::default(), calls: Mutex::default() })
    }

    fn down() -> view::Error {
        view::Error::Read { what: "anything".into(), source: "database is locked".into() }
    }
}

#[async_trait]
impl Directory for Says {
    async fn answer(&self, _mac: Mac, _from: IpAddr) -> Result<Answer, view::Error> {
        self.answer.clone().ok_or_else(Self::down)
    }

    fn saw(&self, mac: Mac, what: &str) {
        self.seen.lock().expect("whole").push((mac, what.to_owned()));
    }

    async fn phone_home(&self, call: PhoneHome) -> Result<Redemption, view::Error> {
        self.calls.lock().expect("whole").push(call);
        self.redemption.ok_or_else(Self::down)
    }
}

pub(super) fn known(plan: Plan) -> Option<Answer> {
    Some(Answer::Known { host: ObjectId::new(), plan })
}

pub(super) fn agent() -> Option<Answer> {
    let token = Token(TOKEN.to_owned().into());
    known(Plan::Agent { token, epoch: 7, host: ObjectId::new() })
}

pub(super) fn config(directory: &std::path::Path) -> Config {
    Config {
        port: 7480,
        api_port: 7443,
        ca_certificate: b"certificate".to_vec(),
        ramdisk: directory.join("ramdisk"),
        loaders: directory.join("loaders"),
        images: directory.join("images"),
    }
}

/// The endpoint over a directory of files: a ramdisk, one image, and something that is none of anybody's business.
struct Bench {
    files: tempfile::TempDir,
    says: Arc<Says>,
}

const SHA: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

impl Bench {
    fn new(says: Arc<Says>) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = files.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        put("ramdisk/vmlinuz", "0123456789");
        put("ramdisk/secret", "canary");
        put("loaders/ipxe.efi", "MZ");
        put(&format!("images/{SHA}/data"), "abcdefghij");
        put(&format!("images/{SHA}/manifest.json"), "{}");
        put("secret", "canary");
        Self { files, says }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let peer = SocketAddr::from(([10, 0, 0, 9], 40000));
        let router = router(config(self.files.path()), self.says.clone()).layer(MockConnectInfo(peer));
        let response = router.oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, to_bytes(body, 1 << 20).await.expect("a body"))
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path).header(header::HOST, "10.0.2.2:7480");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (status, headers, body) = self.send(request.body(Body::empty()).expect("a request")).await;
        (status, headers, String::from_utf8_lossy(&body).into_owned())
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> StatusCode {
        self.send(Request::post(path).body(body.into()).expect("a request")).await.0
    }
}

const SCRIPT: &str = "/v1/ipxe/52:54:00:00:00:01";

#[tokio::test]
async fn the_entry_asks_again_with_the_mac_of_the_nic_in_use() {
    let bench = Bench::new(Says::new(None));
    let (status, headers, text) = bench.get("/boot.ipxe", &[]).await;
    assert_eq!(
        (status, &headers[header::CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().expect("one"))
    );
    assert!(
        text.starts_with("#!ipxe\nchain --replace --autofree http://10.0.2.2:7480/v1/ipxe/${netX/mac} ||")
    );
}

#[tokio::test]
async fn a_host_that_is_to_boot_the_agent_gets_its_token_there_and_nowhere_else() {
    let bench = Bench::new(Says::new(agent()));
    let (status, headers, text) = bench.get(SCRIPT, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let kernel = text.lines().find(|line| line.starts_with("kernel ")).expect("a kernel");
    for word in [
        "http://10.0.2.2:7480/v1/ramdisk/vmlinuz",
        "initrd=initrd",
        "underlay.url=http://10.0.2.2:7480",
        "underlay.api=https://10.0.2.2:7443",
        "underlay.mac=52:54:00:00:00:01",
        "underlay.mode=deploy",
        &format!("underlay.token={TOKEN}"),
        &format!("underlay.ca={}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"certificate"))),
    ] {
        assert!(kernel.split(' ').any(|given| given == word), "{word} in {kernel}");
    }
    assert_eq!(text.matches(TOKEN).count(), 1);
    let seen = bench.says.seen.lock().expect("whole").clone();
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].1.contains(TOKEN) && seen[0].1.contains("the agent"));
}

#[tokio::test]
async fn a_machine_without_a_plan_gets_its_disk_and_an_unknown_one_what_its_network_says() {
    for (answer, discovers) in [
        (known(Plan::LocalDisk), false),
        (Some(Answer::Unknown(Unknown::LocalDisk)), false),
        (Some(Answer::Unknown(Unknown::Ignore)), false),
        (Some(Answer::Unknown(Unknown::Discover)), true),
    ] {
        let (_, _, text) = Bench::new(Says::new(answer.clone())).get(SCRIPT, &[]).await;
        assert_eq!(text.contains("underlay.mode=discover"), discovers, "{answer:?}");
        assert_eq!(text.contains("sanboot --no-describe --drive 0x80"), !discovers, "{answer:?}");
        assert!(!text.contains("underlay.token"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_gives_a_script_that_tries_again() {
    let (status, _, text) = Bench::new(Says::new(None)).get(SCRIPT, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains("sleep 5\nchain --replace --autofree http://10.0.2.2:7480/boot.ipxe || goto again")
    );
    assert!(!text.contains("database"), "what went wrong stays in the log");
}

#[tokio::test]
async fn what_is_no_mac_is_refused() {
    let bench = Bench::new(Says::new(agent()));
    for mac in ["zz", "52:54:00", "..%2f..%2fetc", "${mac}", "52:54:00:00:00:01%0aboot"] {
        let (status, _, text) = bench.get(&format!("/v1/ipxe/{mac}"), &[]).await;
        assert!(status.is_client_error() && !text.contains(TOKEN), "{mac}: {status}");
    }
}

#[tokio::test]
async fn a_hostile_host_header_puts_nothing_into_a_script() {
    let bench = Bench::new(Says::new(agent()));
    for host in [
        "evil underlay.token=x",
        "a\tb",
        "evil||boot",
        "${mac}",
        "u@evil",
        "evil#",
        "",
        "[::1",
        "a:b:c",
        "evil/x",
    ] {
        for path in ["/boot.ipxe", SCRIPT] {
            let request = Request::get(path).header(header::HOST, host).body(Body::empty());
            let (_, _, body) = bench.send(request.expect("a request")).await;
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains("http://127.0.0.1:7480/"), "{host:?}: {text}");
            assert!(!text.contains("evil"), "{host:?}: {text}");
        }
    }
    let overlong = "a".repeat(300);
    let (_, _, text) = bench.get("/boot.ipxe", &[("host", &overlong)]).await;
    assert!(!text.contains(&overlong));
}

#[tokio::test]
async fn a_host_that_asks_an_ipv6_address_is_told_that_one() {
    let bench = Bench::new(Says::new(agent()));
    for (host, api) in
        [("[fd00:77::1]:7480", "https://[fd00:77::1]:7443"), ("[fd00:77::1]", "https://[fd00:77::1]:7443")]
    {
        let request = Request::get(SCRIPT).header(header::HOST, host).body(Body::empty());
        let (_, _, body) = bench.send(request.expect("a request")).await;
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(&format!("underlay.url=http://{host} underlay.api={api} ")), "{text}");
    }
}

#[tokio::test]
async fn the_ramdisk_is_served_by_range_and_nothing_else_from_its_directory() {
    let bench = Bench::new(Says::new(None));
    let (status, headers, body) = bench.get("/v1/ramdisk/vmlinuz", &[("range", "bytes=2-4")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(headers[header::CONTENT_RANGE], "bytes 2-4/10");
    let (status, headers, body) = bench.get("/v1/ramdisk/vmlinuz", &[]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "0123456789"));
    assert_eq!(headers[header::CONTENT_LENGTH], "10");
    for path in [
        "/v1/ramdisk/secret",
        "/v1/ramdisk/initrd",
        "/v1/ramdisk/..%2fsecret",
        "/v1/ramdisk/../secret",
        "/v1/ramdisk/%2e%2e%2fsecret",
        "/v1/loader/..%2fsecret",
        "/v1/loader/undionly.kpxe",
        "/secret",
        &format!("/v1/images/{SHA}/..%2f..%2fsecret"),
        &format!("/v1/images/{SHA}/secret"),
        "/v1/images/..%2f/data",
        "/v1/images/../secret",
        &format!("/v1/images/{}/data", "b".repeat(64)),
    ] {
        let (status, _, text) = bench.get(path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!text.contains("canary"), "{path}");
    }
    assert_eq!(bench.get("/v1/loader/ipxe.efi", &[]).await.2, "MZ");
    assert_eq!(bench.get("/ca.der", &[]).await.2, "certificate");
}

#[tokio::test]
async fn an_image_is_served_by_range_under_a_tag_that_is_honoured() {
    let bench = Bench::new(Says::new(None));
    let path = format!("/v1/images/{SHA}/data");
    let (status, headers, body) = bench.get(&path, &[("range", "bytes=8-")]).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "ij"));
    let etag = headers[header::ETAG].to_str().expect("text").to_owned();
    let same = [("range", "bytes=8-"), ("if-range", etag.as_str())];
    assert_eq!(bench.get(&path, &same).await.0, StatusCode::PARTIAL_CONTENT);
    assert_eq!(bench.get(&path, &[("if-none-match", &etag)]).await.0, StatusCode::NOT_MODIFIED);
    assert_eq!(bench.get(&path, &[("range", "bytes=10-")]).await.0, StatusCode::RANGE_NOT_SATISFIABLE);
    for (name, text) in [("data", "ABCDEFGHIJKL"), ("manifest.json", "{\"blake3\":1}")] {
        let path = bench.files.path().join(format!("images/{SHA}")).join(name);
        std::fs::write(path, text).expect("imported anew");
    }
    let (status, _, body) = bench.get(&path, &same).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ABCDEFGHIJKL"), "not a part of something else");
    assert_eq!(bench.get(&format!("/v1/images/{SHA}/manifest.json"), &[]).await.2, "{\"blake3\":1}");
}

#[tokio::test]
async fn an_installed_system_is_heard_with_its_keys_and_its_address() {
    let bench = Bench::new(Says::new(None));
    let path = format!("/v1/phone-home/{TOKEN}");
    let body = "pub_key_ed25519=ssh-ed25519+AAAA+root%40web%0A&instance_id=i-1";
    assert_eq!(bench.post(&path, body).await, StatusCode::OK);
    assert_eq!(bench.post(&path, vec![0xff, 0xfe]).await, StatusCode::OK, "any other body will do");
    let calls = bench.says.calls.lock().expect("whole").clone();
    assert_eq!(calls[0].token, boot::digest(TOKEN));
    assert_eq!(calls[0].address, IpAddr::from([10, 0, 0, 9]));
    assert_eq!(calls[0].ssh_host_keys, ["ssh-ed25519 AAAA root@web"]);
    assert!(calls[1].ssh_host_keys.is_empty());
}

#[tokio::test]
async fn a_call_that_cannot_be_good_is_refused_and_a_long_one_not_read() {
    let says = Says::new(None);
    let bench = Bench::new(says.clone());
    for token in ["x", &"a".repeat(63), &"g".repeat(64), &"a".repeat(5000)] {
        assert_eq!(bench.post(&format!("/v1/phone-home/{token}"), "").await, StatusCode::FORBIDDEN);
    }
    let path = format!("/v1/phone-home/{TOKEN}");
    assert_eq!(bench.post(&path, vec![b'x'; (64 << 10) + 1]).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(says.calls.lock().expect("whole").is_empty(), "the store was not asked");
    assert_eq!(bench.get(&path, &[]).await.0, StatusCode::METHOD_NOT_ALLOWED);

    for (redemption, status) in
        [(Some(Redemption::Refused), StatusCode::FORBIDDEN), (None, StatusCode::SERVICE_UNAVAILABLE)]
    {
        let says = Says { redemption, answer: None, seen: Mutex::default(), calls: Mutex::default() };
        assert_eq!(Bench::new(Arc::new(says)).post(&path, "").await, status);
    }
}
