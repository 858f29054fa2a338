//! Where a host reaches the boot endpoint: QEMU's user networking shows the server's loopback as 10.0.2.2, a real
//! segment the server's own address on it.

use std::sync::Arc;

use underlay_core::host::{Driver, Spec};
use underlay_metal::machine::BootUrl;

use super::projection::Projection;

/// The server's loopback as a guest with user networking sees it.
pub const USER_NETWORKING: &str = "10.0.2.2";

/// Knows the ways to this server.
#[derive(Clone)]
pub struct Ways {
    /// Port of the boot endpoint.
    pub port: u16,
    /// The address that was set for all, if one was.
    pub address: Option<std::net::IpAddr>,
    /// The boot networks, with the server's address on each.
    pub projection: Arc<Projection>,
}

impl BootUrl for Ways {
    fn boot_url(&self, host: &Spec) -> String {
        let port = self.port;
        match &host.driver {
            Driver::Qemu(qemu) if qemu.tap.is_none() => format!("http://{USER_NETWORKING}:{port}"),
            _ => match self.address {
                Some(address) => format!("http://{}", std::net::SocketAddr::new(address, port)),
                None => match self.projection.first_server_address() {
                    Some(address) => format!("http://{address}:{port}"),
                    None => format!("http://{}:{port}", std::net::Ipv4Addr::LOCALHOST),
                },
            },
        }
    }
}
