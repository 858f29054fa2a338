//! A reply: its fields, where it goes (RFC 2131 section 4.1), and its bytes.
//!
//! A client without an address is answered by broadcast even where it asked for unicast: unicast to a MAC that no ARP
//! answers for needs packet sockets, and every client must accept a broadcast.

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::{
    Encodable,
    v4::{DhcpOption, Flags, HType, Message, MessageType, Opcode, OptionCode, UnknownOption},
};

use super::{
    boot::BootFile,
    network::Network,
    request::{Relay, Request},
    server::Ports,
};

/// BOOTP relays and some firmware drop anything shorter (RFC 1542 section 2.1).
const MIN_REPLY: usize = 300;
/// What fits one Ethernet frame behind the IP and UDP headers.
const MAX_REPLY: usize = 1472;
const FILE_FIELD: usize = 127;

/// The reply could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// dhcproto refused a field.
    #[error("encoding a DHCP reply failed")]
    Encode(#[source] dhcproto::error::EncodeError),
    /// What the client wants echoed does not fit one frame.
    #[error("a DHCP reply of {0} bytes does not fit a frame")]
    TooLong(usize),
}

/// A reply in the making.
#[derive(Clone, Debug)]
pub struct Reply {
    message: Message,
    kind: MessageType,
}

impl Reply {
    /// A reply to a request: everything that is copied from it, and the server identifier.
    pub fn to(request: &Request, network: &Network, kind: MessageType) -> Self {
        let mut message = Message::new_with_id(
            request.xid,
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::UNSPECIFIED,
            request.giaddr,
            &request.mac.0,
        );
        let flags = Flags::new(request.flags);
        let flags = if kind == MessageType::Nak { flags.set_broadcast() } else { flags };
        message.set_opcode(Opcode::BootReply).set_htype(HType::Eth).set_flags(flags);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(server_identifier(request, network)));
        if let Some(id) = &request.client_id {
            options.insert(DhcpOption::ClientIdentifier(id.clone()));
        }
        if let Some(Relay { raw, .. }) = &request.relay {
            let echo = UnknownOption::new(OptionCode::RelayAgentInformation, raw.clone());
            options.insert(DhcpOption::Unknown(echo));
        }
        Self { message, kind }
    }

    /// Gives the client an address for a while; it renews at half of it.
    #[must_use]
    pub fn lease(mut self, address: Ipv4Addr, network: &Network) -> Self {
        let seconds = u32::try_from(network.lease_time.as_secs()).unwrap_or(u32::MAX);
        self.message.set_yiaddr(address);
        self.with([
            DhcpOption::AddressLeaseTime(seconds),
            DhcpOption::Renewal(seconds / 2),
            DhcpOption::Rebinding(seconds / 8 * 7),
        ])
    }

    /// Says again which address the client uses.
    #[must_use]
    pub fn using(mut self, ciaddr: Ipv4Addr) -> Self {
        self.message.set_ciaddr(ciaddr);
        self
    }

    /// What the segment looks like: mask, router, name servers, domain, host name.
    #[must_use]
    pub fn segment(self, network: &Network, hostname: Option<&str>) -> Self {
        let mut options = vec![
            DhcpOption::SubnetMask(network.cidr.netmask()),
            DhcpOption::BroadcastAddr(network.cidr.broadcast()),
        ];
        options.extend(network.gateway.map(|gateway| DhcpOption::Router(vec![gateway])));
        if !network.dns.is_empty() {
            options.push(DhcpOption::DomainNameServer(network.dns.clone()));
        }
        options.extend(network.domain.clone().map(DhcpOption::DomainName));
        options.extend(hostname.map(|name| DhcpOption::Hostname(name.to_owned())));
        self.with(options)
    }

    /// What to load: the server and file fields for old clients, option 67 for all.
    #[must_use]
    pub fn boot(mut self, network: &Network, file: Option<&BootFile>) -> Self {
        let Some(file) = file else { return self };
        let name = file.name().as_bytes();
        self.message.set_siaddr(network.server);
        if name.len() <= FILE_FIELD {
            self.message.set_fname(name);
        }
        self.with([DhcpOption::BootfileName(name.to_vec())])
    }

    /// More options.
    #[must_use]
    pub fn with(mut self, options: impl IntoIterator<Item = DhcpOption>) -> Self {
        for option in options {
            self.message.opts_mut().insert(option);
        }
        self
    }

    /// Where it goes (RFC 2131 section 4.1). An address outside the network is never sent to: it may be a victim's.
    pub fn destination(&self, request: &Request, network: &Network, ports: Ports) -> SocketAddrV4 {
        match () {
            () if request.is_relayed() => SocketAddrV4::new(request.giaddr, ports.server),
            () if self.kind == MessageType::Ack && network.is_host(request.ciaddr) => {
                SocketAddrV4::new(request.ciaddr, ports.client)
            }
            () => SocketAddrV4::new(Ipv4Addr::BROADCAST, ports.client),
        }
    }

    /// The bytes of it.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = self.message.to_vec().map_err(Error::Encode)?;
        if bytes.len() > MAX_REPLY {
            return Err(Error::TooLong(bytes.len()));
        }
        bytes.resize(bytes.len().max(MIN_REPLY), 0);
        Ok(bytes)
    }
}

/// Our address as this client is to see it: a relay may stand in for us (RFC 5107).
pub fn server_identifier(request: &Request, network: &Network) -> Ipv4Addr {
    request.relay.as_ref().and_then(|relay| relay.server).unwrap_or(network.server)
}
