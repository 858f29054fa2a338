//! gRPC over our own TLS: tonic's transport with a connector that believes one CA.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Error, Uri};

/// The name every server certificate carries, wherever the server is.
pub const SERVER_NAME: &str = "underlay-server";
/// A server that is silent for these two together is taken for gone.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
const CONNECT: Duration = Duration::from_secs(20);

/// The same for a line that stays open for weeks on a machine that is idle.
const RARE_PING: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(60));

/// Connects, and fails if that does not work now.
pub async fn connect(address: SocketAddr, tls: ClientConfig) -> Result<Channel, Error> {
    open(address, tls, PING).await
}

/// The same, for a line on which mostly nothing is said.
pub async fn connect_for_long(address: SocketAddr, tls: ClientConfig) -> Result<Channel, Error> {
    open(address, tls, RARE_PING).await
}

async fn open(address: SocketAddr, tls: ClientConfig, ping: (Duration, Duration)) -> Result<Channel, Error> {
    let connector = TlsConnector::from(Arc::new(tls));
    let dial = move |_: Uri| {
        let connector = connector.clone();
        async move {
            let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    };
    Endpoint::try_from(format!("https://{SERVER_NAME}"))?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(ping.0)
        .keep_alive_timeout(ping.1)
        .keep_alive_while_idle(true)
        .connect_with_connector(tower::service_fn(dial))
        .await
}
