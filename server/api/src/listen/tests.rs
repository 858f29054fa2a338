//! Listeners: who may connect without TLS, how many, and how long they may take.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, UnixStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

#[tokio::test]
async fn plaintext_is_refused_outside_of_loopback() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7443"] {
        let refused = Listener::loopback(address.parse().unwrap()).await;
        assert!(matches!(refused, Err(Error::Plaintext(_))), "{address}");
    }
    assert!(Listener::loopback(LOOPBACK).await.is_ok());
}

#[tokio::test]
async fn a_unix_socket_has_the_permissions_asked_for_and_replaces_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    drop(Listener::unix(&path, 0o600).await.unwrap());
    assert!(path.exists(), "a server that died leaves its socket behind");
    let listener = Listener::unix(&path, 0o660).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let second = Listener::unix(&path, 0o600).await;
    assert!(matches!(second, Err(Error::InUse(_))), "{second:?}");
    drop(listener);
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_at_once() {
    let listener = Listener::loopback(LOOPBACK).await.unwrap();
    let address = listener.address().unwrap();
    let (accepted, mut connections) = mpsc::channel(4);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(listener.run(1, accepted, cancel.clone()));
    let _first = TcpStream::connect(address).await.unwrap();
    let kept = connections.recv().await.unwrap().unwrap();
    assert_eq!(kept.connect_info().transport, Transport::Loopback);
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    drop(kept);
    let _third = TcpStream::connect(address).await.unwrap();
    assert!(connections.recv().await.is_some(), "a place that was freed is given again");
    cancel.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_caller_that_never_shakes_hands_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let authority = crate::tls::Authority::open(directory.path()).unwrap();
    let config = crate::tls::server_config(&authority, &[]).unwrap();
    let listener = Listener::tls(LOOPBACK, config).await.unwrap();
    let address = listener.address().unwrap();
    let (accepted, mut connections) = mpsc::channel(4);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(listener.run(8, accepted, cancel.clone()));
    let mut silent = TcpStream::connect(address).await.unwrap();
    tokio::time::pause();
    let closed = tokio::time::timeout(Duration::from_secs(60), silent.read(&mut [0; 1])).await;
    assert_eq!(closed.expect("closed before a minute has passed").unwrap_or(0), 0);
    assert!(connections.try_recv().is_err(), "nothing was handed on");
    cancel.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_stopped_listener_takes_its_socket_along() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let listener = Listener::unix(&path, 0o600).await.unwrap();
    let (accepted, mut connections) = mpsc::channel(4);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(listener.run(8, accepted, cancel.clone()));
    let _caller = UnixStream::connect(&path).await.unwrap();
    assert!(connections.recv().await.is_some());
    cancel.cancel();
    running.await.unwrap();
    assert!(!path.exists());
}
