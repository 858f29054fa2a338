//! Connections to the boot endpoint, bounded: anybody on a boot segment can open them, and firmware loses power in the
//! middle of them.
//!
//! | what | bound |
//! |---|---|
//! | connections at a time | [`Bounds::connections`]; the next one waits until one has ended |
//! | time for a request's head to arrive, counted anew for each request | [`Bounds::head`] |
//! | bytes of a request's head | 16 KiB of a file's request, [`BUFFER`] of any other |
//! | time for sent bytes to be acknowledged | [`ACKNOWLEDGED`] (`TCP_USER_TIMEOUT`) |

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::BytesMut;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    pin,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    Endpoint,
    direct::{self, After},
};

/// How many connections, and how long each may say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) head: Duration,
}

impl Default for Bounds {
    /// More connections than a storm of a thousand hosts needs; a request of ours fits into one packet.
    fn default() -> Self {
        Self { connections: 4096, head: Duration::from_secs(20) }
    }
}

/// A host that lost its power acknowledges nothing any more.
const ACKNOWLEDGED: Duration = Duration::from_secs(60);
/// What hyper keeps of one connection.
const BUFFER: usize = 64 << 10;
/// How long to wait where no connection can be had, because the process has too many files or the like.
const PAUSE: Duration = Duration::from_millis(100);

/// Serve until cancelled; requests under way are finished.
pub(super) async fn serve(
    listener: TcpListener,
    endpoint: Arc<Endpoint>,
    bounds: Bounds,
    cancel: CancellationToken,
) {
    let routes = super::routes(endpoint.clone());
    let (places, tasks) = (Arc::new(Semaphore::new(bounds.connections)), TaskTracker::new());
    while let Some((place, stream, peer)) = cancel.run_until_cancelled(next(&listener, &places)).await {
        tasks.spawn(converse(
            stream,
            peer,
            (endpoint.clone(), routes.clone()),
            bounds.head,
            cancel.clone(),
            place,
        ));
    }
    tasks.close();
    tasks.wait().await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
    // Nobody closes the semaphore.
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (place, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection to the boot endpoint could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    (endpoint, routes): (Arc<Endpoint>, Router),
    head: Duration,
    cancel: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%peer, %error, "a connection cannot be bounded");
        return;
    }
    let mut buffer = BytesMut::new();
    match direct::converse(&stream, &mut buffer, &endpoint, head, &cancel).await {
        Ok(After::Other) => {}
        Ok(After::Closed) => return,
        Err(error) => {
            tracing::debug!(%peer, %error, "a file was not sent to its end");
            return;
        }
    }
    let (reading, writing) = stream.into_split();
    let stream = tokio::io::join(std::io::Cursor::new(buffer.freeze()).chain(reading), writing);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    pin!(connection);
    let ended = match cancel.run_until_cancelled(connection.as_mut()).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection to the boot endpoint ended early");
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(ACKNOWLEDGED))
}
