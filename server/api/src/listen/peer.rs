//! What is known of a caller from its connection alone; services find it in a request's extensions.

use std::net::SocketAddr;

use crate::tls::{AgentIdentity, ResidentIdentity};

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// How it came in.
    pub transport: Transport,
    /// Its address; a unix socket has none.
    pub address: Option<SocketAddr>,
    /// The user on the other end of a unix socket, as the kernel knows it.
    pub uid: Option<u32>,
    /// The agent its verified certificate names, if it showed one.
    pub agent: Option<AgentIdentity>,
    /// The resident agent its verified certificate names, if it showed one.
    pub resident: Option<ResidentIdentity>,
}

/// How a caller came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS.
    Tls,
    /// Plaintext over the loopback interface.
    Loopback,
    /// A unix socket: whoever may open it is an admin, as the file's permissions say.
    Unix,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.address, self.transport) {
            (Some(address), _) => write!(f, "{address}"),
            (None, _) => f.write_str("unix"),
        }
    }
}
