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

/// Connects, and fails if that does not work now.
pub async fn connect(address: SocketAddr, tls: ClientConfig) -> Result<Channel, Error> {
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
        .http2_keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .keep_alive_while_idle(true)
        .connect_with_connector(tower::service_fn(dial))
        .await
}
