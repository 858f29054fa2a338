//! The kernel's line, in one place for all that starts the agent: what it is told of the server, and by which token it is
//! known.

use std::fmt::Display;

use axum::http::uri::Authority;
use secrecy::ExposeSecret;
use underlay_core::{Mac, boot::Token, host::Address};

use super::Endpoint;

/// What every kernel is given: consoles, and a restart where it dies.
pub(super) const KERNEL: &str = "console=tty0 console=ttyS0,115200 quiet panic=30";

/// What an agent is told.
pub(super) struct Agent<'a> {
    /// Where it reaches us: `http://10.77.0.1:7480`.
    pub(super) base: &'a str,
    /// The NIC to use.
    pub(super) mac: Option<Mac>,
    /// That NIC's address, where it is not to ask for one.
    pub(super) address: Option<Address>,
    /// Without one it only reports what it finds.
    pub(super) token: Option<&'a Token>,
}

impl Agent<'_> {
    /// The words for it.
    pub(super) fn words(&self, endpoint: &Endpoint) -> String {
        let base = self.base;
        let host = base.strip_prefix("http://").and_then(|authority| authority.parse::<Authority>().ok());
        let host = host.as_ref().map_or("", Authority::host);
        let (api, ca) = (format!("https://{host}:{}", endpoint.config.api_port), &endpoint.ca_digest);
        let mut words = format!("underlay.url={base} underlay.api={api} underlay.ca={ca}");
        let mut say = |name: &str, value: &dyn Display| words.push_str(&format!(" underlay.{name}={value}"));
        if let Some(mac) = self.mac {
            say("mac", &mac);
        }
        if let Some(Address { cidr, gateway }) = self.address {
            say("address", &cidr);
            gateway.iter().for_each(|gateway| say("gateway", gateway));
        }
        match self.token {
            Some(token) => {
                say("mode", &"deploy");
                say("token", &token.0.expose_secret());
            }
            None => say("mode", &"discover"),
        }
        words
    }
}
