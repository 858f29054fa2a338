//! What goes wrong below the resources: a BMC that hangs, breaks off, counts wrong, never ends, or sends us elsewhere. Each is
//! an error that says what was seen, within bounds, and no login goes where it does not belong.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What one connection is sent.
#[derive(Clone)]
enum Sends {
    /// These bytes, and then the line is closed.
    Bytes(Vec<u8>),
    /// Nothing, ever.
    Nothing,
    /// A beginning, and then this again and again.
    Endless(&'static str, Vec<u8>),
}

/// A listener that sends the same to everybody, and keeps what it was sent.
async fn listener(sends: Sends) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, sends.clone(), kept.clone()));
        }
    });
    (address, heard)
}

async fn converse(mut stream: TcpStream, sends: Sends, heard: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 64 << 10];
    let Ok(read) = stream.read(&mut buffer).await else { return };
    heard.lock().expect("whole").extend_from_slice(&buffer[..read]);
    match sends {
        Sends::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        Sends::Nothing => std::future::pending().await,
        Sends::Endless(head, part) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&part).await.is_ok() {}
        }
    }
}

async fn fails(sends: Sends) -> Error {
    let (address, _) = listener(sends).await;
    let error = driver(&address).observe().await.expect_err("it makes no sense");
    assert_eq!(error.kind(), ErrorKind::Transient, "{error:?}");
    assert!(underlay_core::because(&error).len() < 700, "{error:?}");
    error
}

fn answer(head: &str, body: &str) -> Sends {
    Sends::Bytes(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes())
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_told_from_a_bmc_that_is_not_there() {
    for sends in [
        answer("Content-Length: 500", "{\"Systems\":"),
        answer("Transfer-Encoding: chunked", "10\r\n{\"Systems\":"),
        answer("Transfer-Encoding: chunked", "zz\r\n{}\r\n"),
    ] {
        let error = fails(sends).await;
        assert!(matches!(&error, Error::Nonsense { why, .. } if why.contains("breaks off")), "{error:?}");
    }
}

#[tokio::test]
async fn a_length_that_is_too_short_is_nonsense_and_what_follows_is_no_answer_to_the_next_request() {
    let more = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let error = fails(answer("Content-Length: 5", &format!("{{\"Systems\":{{}}}}{more}"))).await;
    assert!(matches!(error, Error::Nonsense { .. }), "{error:?}");
}

#[tokio::test]
async fn what_never_ends_is_cut_off() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).into_bytes();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let error = fails(Sends::Endless(head, chunk)).await;
    assert!(matches!(&error, Error::Nonsense { why, .. } if why.contains("longer than")), "{error:?}");
    let head = "HTTP/1.1 200 OK\r\n";
    let error =
        fails(Sends::Endless(head, b"X-Flood: 0123456789012345678901234567890123456789\r\n".to_vec())).await;
    assert!(matches!(error, Error::Unreachable { .. } | Error::Nonsense { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_the_request_and_never_answers_does_not_answer() {
    let error = fails(Sends::Nothing).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().ends_with("does not answer"), "{error}");
}

#[tokio::test]
async fn what_speaks_no_http_is_named() {
    for greeting in ["SSH-2.0-OpenSSH_9.2\r\n", "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n", ""] {
        let error = fails(Sends::Bytes(greeting.as_bytes().to_vec())).await;
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_login_is_carried_elsewhere() {
    let (elsewhere, heard) = listener(answer("Content-Length: 2", "{}")).await;
    for status in [301, 302, 303, 307, 308] {
        for (method, path) in [
            (Method::GET, "/redfish/v1/"),
            (Method::POST, SESSIONS),
            (Method::GET, SYSTEM),
            (Method::PATCH, SYSTEM),
            (Method::POST, RESET),
        ] {
            let service = Service::start().await;
            let status = StatusCode::from_u16(status).expect("a status");
            service.redirect(method.clone(), path, status, &format!("{elsewhere}{path}"));
            let driver = driver(&service.address);
            let asked = [
                driver.observe().await.err(),
                driver.ensure_next_boot(Target::NetworkOnce).await.err(),
                driver.ensure_power(Power::On).await.err(),
            ];
            let why = asked.into_iter().flatten().map(|error| error.to_string()).collect::<String>();
            assert!(why.contains("it redirects"), "{method} {path} {status}: {why}");
        }
    }
    assert!(heard.lock().expect("whole").is_empty(), "nothing at all went there");
}
