//! The services on a listener.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::{Error, connection::Connection, controller::Controller, listen::Listener};
use crate::{
    Provider, Service,
    proto::{
        plugin::grpc_controller_server::GrpcControllerServer, tfplugin6::provider_server::ProviderServer,
    },
};

/// The largest message either way. Hosts cap a schema at 64 MiB and nothing else.
const MESSAGE_LIMIT: usize = 256 << 20;
/// How long a client may take over its TLS handshake.
const TLS_PATIENCE: Duration = Duration::from_secs(10);
/// How many clients may be at their TLS handshake at once; a host is one.
const HANDSHAKES: usize = 64;

/// Serves a provider until `exit` is cancelled, then drops what is still open.
pub(super) async fn serve<P: Provider>(
    service: Service<P>,
    listener: &Listener,
    tls: Option<&TlsAcceptor>,
    exit: CancellationToken,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let (sender, connections) = mpsc::channel(16);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    let provider = ProviderServer::new(service)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let server = Server::builder()
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .add_service(provider)
        .add_service(GrpcControllerServer::new(Controller { exit: shutdown }))
        .add_service(health_service)
        .serve_with_incoming(ReceiverStream::new(connections).map(Ok::<_, std::io::Error>));
    tokio::select! {
        served = server => served.map_err(Error::Serve),
        never = accept(listener, tls, sender) => match never {},
        () = exit.cancelled() => Ok(()),
    }
}

/// Hands over connections. Each TLS handshake has its own task, so one client that stalls holds up nobody.
async fn accept(
    listener: &Listener,
    tls: Option<&TlsAcceptor>,
    connections: mpsc::Sender<Connection>,
) -> std::convert::Infallible {
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= HANDSHAKES {
            handshakes.join_next().await;
        }
        let connection = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "unable to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (tls, connections) = (tls.cloned(), connections.clone());
        handshakes.spawn(async move {
            let connection = match tls {
                None => Some(connection),
                Some(tls) => encrypt(&tls, connection).await,
            };
            if let Some(connection) = connection {
                // The server is gone only when the process ends.
                connections.send(connection).await.ok();
            }
        });
    }
}

async fn encrypt(tls: &TlsAcceptor, connection: Connection) -> Option<Connection> {
    match tokio::time::timeout(TLS_PATIENCE, tls.accept(connection)).await {
        Ok(Ok(encrypted)) => Some(Connection::new(encrypted)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "refused a client");
            None
        }
        Err(_) => {
            tracing::warn!("a client did not finish its TLS handshake");
            None
        }
    }
}
