//! What one boot network serves: its addresses, its mode, and where its machines boot from.
//!
//! Plain configuration, replaced as a whole at run time; it does not know leases or hosts.
//! Invariant after [`Network::check`]: ranges lie inside the CIDR and the reply options fit a 576-byte datagram.

use std::{fmt, net::Ipv4Addr, sync::Arc, time::Duration};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use underlay_core::Mac;

pub use underlay_core::network::{Mode, Unknown};

/// The name under which a network's leases are kept; unique per server (a site, an owner and a name, or just a name).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetworkName(Arc<str>);

impl NetworkName {
    /// A name from text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What IPv6 router solicitations on the segment are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advertise {
    /// Nothing.
    Nothing,
    /// That there is no prefix and no DHCPv6 here: it ends a firmware's wait and configures nobody.
    #[default]
    Presence,
    /// An on-link prefix for stateless configuration.
    Prefix(Ipv6Net),
}

/// An inclusive range of addresses, written `10.12.1.0-10.12.3.250`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    /// The lowest address.
    pub first: Ipv4Addr,
    /// The highest address.
    pub last: Ipv4Addr,
}

impl AddressRange {
    /// True if the address lies in the range.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// How many addresses it holds; none if it runs backwards.
    pub fn size(&self) -> u64 {
        (u64::from(u32::from(self.last)) + 1).saturating_sub(u32::from(self.first).into())
    }
}

/// Where the machines of a network boot from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Where firmware that boots by HTTP finds the loaders: `http://10.12.0.1:8080/v1/loader`.
    pub loaders: String,
    /// URL of the iPXE script; `{mac}` becomes `52:54:00:12:34:56`.
    pub script: String,
    /// URL of the agent as one EFI program for 64-bit x86, for firmware that boots by HTTP; `{mac}` becomes
    /// `52-54-00-12-34-56`. Without one, that firmware gets the loader.
    #[serde(default)]
    pub uki: Option<String>,
    /// TFTP name of the loader for BIOS firmware.
    pub bios: String,
    /// TFTP name (and, below [`Boot::loaders`], HTTP path) of the loader for 64-bit x86 UEFI.
    pub uefi_x64: String,
    /// The same for 64-bit ARM UEFI.
    pub uefi_arm64: String,
}

impl Boot {
    /// The usual loaders below one HTTP base, at the paths of our HTTP endpoint.
    pub fn at(http: &str) -> Self {
        Self {
            loaders: format!("{http}/v1/loader"),
            script: format!("{http}/v1/ipxe/{{mac}}"),
            uki: None,
            bios: "undionly.kpxe".into(),
            uefi_x64: "snponly.efi".into(),
            uefi_arm64: "snponly-arm64.efi".into(),
        }
    }

    /// The same, with one EFI program instead of a loader where firmware boots by HTTP.
    #[must_use]
    pub fn with_uki(self, http: &str) -> Self {
        Self { uki: Some(format!("{http}/v1/uki/{{mac}}.efi")), ..self }
    }

    /// The URL of one machine's EFI program, where there is one.
    pub fn uki_for(&self, mac: Mac) -> Option<String> {
        // EDK2 takes a colon in a path for the beginning of a port.
        Some(self.uki.as_ref()?.replace("{mac}", &mac.to_string().replace(':', "-")))
    }

    /// The URL of one machine's iPXE script.
    pub fn script_for(&self, mac: Mac) -> String {
        self.script.replace("{mac}", &mac.to_string())
    }
}

/// One boot network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name, under which its leases are kept.
    pub name: NetworkName,
    /// Its addresses.
    pub cidr: Ipv4Net,
    /// What is handed out to machines without a reservation; may be empty.
    pub ranges: Vec<AddressRange>,
    /// Option 3.
    pub gateway: Option<Ipv4Addr>,
    /// Option 6, at most eight.
    pub dns: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain: Option<String>,
    /// Option 51, in whole seconds; at least a minute.
    pub lease_time: Duration,
    /// Who hands out addresses.
    pub mode: Mode,
    /// What an unclaimed MAC gets.
    pub unknown: Unknown,
    /// The interface on the segment; none where machines are reached through relays only.
    pub interface: Option<String>,
    /// Our address as the network's machines reach it: server identifier, next-server, TFTP server.
    pub server: Ipv4Addr,
    /// Where its machines boot from.
    pub boot: Boot,
    /// What router solicitations are told; needs an interface.
    pub advertise: Advertise,
}

/// Why a network cannot be served.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// A range leaves the CIDR or runs backwards.
    #[error("range {first}-{last} does not lie in {cidr}")]
    Range {
        /// Its first address.
        first: Ipv4Addr,
        /// Its last address.
        last: Ipv4Addr,
        /// The network's addresses.
        cidr: Ipv4Net,
    },
    /// The lease is too short to renew, or longer than the field can say.
    #[error("a lease of {0:?} is not between one minute and one year")]
    LeaseTime(Duration),
    /// More name servers, or longer names, than a reply has room for.
    #[error("{0} is too long for a DHCP reply")]
    TooLong(&'static str),
}

/// The longest boot file name or URL that is sent: longer ones do not fit the smallest datagram a client accepts.
pub const MAX_BOOT_FILE: usize = 200;
const MAX_DOMAIN: usize = 100;
const MAX_DNS: usize = 8;
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

impl Network {
    /// Refuses what could not be served as written.
    pub fn check(&self) -> Result<(), Invalid> {
        for &AddressRange { first, last } in &self.ranges {
            if first > last || !self.cidr.contains(&first) || !self.cidr.contains(&last) {
                return Err(Invalid::Range { first, last, cidr: self.cidr });
            }
        }
        if !(Duration::from_secs(60)..=YEAR).contains(&self.lease_time) {
            return Err(Invalid::LeaseTime(self.lease_time));
        }
        let Boot { loaders, script, uki, bios, uefi_x64, uefi_arm64 } = &self.boot;
        let uefi = uefi_x64.len().max(uefi_arm64.len());
        let lengths = [
            ("dns", self.dns.len(), MAX_DNS),
            ("domain", self.domain.as_ref().map_or(0, String::len), MAX_DOMAIN),
            ("boot.script", script.len() + "52:54:00:12:34:56".len(), MAX_BOOT_FILE),
            ("boot.uki", uki.as_ref().map_or(0, String::len) + "52:54:00:12:34:56".len(), MAX_BOOT_FILE),
            ("boot.bios", bios.len(), MAX_BOOT_FILE),
            ("boot.loaders", loaders.len() + 1 + uefi, MAX_BOOT_FILE),
        ];
        match lengths.into_iter().find(|(_, length, limit)| length > limit) {
            Some((field, ..)) => Err(Invalid::TooLong(field)),
            None => Ok(()),
        }
    }

    /// True for an address a machine of this network may use: in the CIDR, not its ends, not the gateway's, not ours.
    pub fn is_host(&self, address: Ipv4Addr) -> bool {
        let ends = self.cidr.prefix_len() <= 30
            && (address == self.cidr.network() || address == self.cidr.broadcast());
        self.cidr.contains(&address) && !ends && address != self.server && Some(address) != self.gateway
    }

    /// True for an address that the ranges hand out.
    pub fn in_ranges(&self, address: Ipv4Addr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::tests::network;

    #[test]
    fn a_range_outside_the_cidr_is_refused() {
        let mut bad = network();
        bad.ranges =
            vec![AddressRange { first: Ipv4Addr::new(10, 0, 0, 5), last: Ipv4Addr::new(10, 99, 0, 9) }];
        assert!(matches!(bad.check(), Err(Invalid::Range { .. })));
        bad.ranges = vec![AddressRange { first: bad.server, last: bad.cidr.network() }];
        assert!(matches!(bad.check(), Err(Invalid::Range { .. })));
    }

    #[test]
    fn what_cannot_fit_a_reply_is_refused() {
        let mut bad = network();
        bad.boot = Boot::at(&format!("http://{}", "a".repeat(200)));
        assert!(matches!(bad.check(), Err(Invalid::TooLong(_))));
        bad = network();
        bad.dns = vec![Ipv4Addr::LOCALHOST; 9];
        assert_eq!(bad.check(), Err(Invalid::TooLong("dns")));
        bad = network();
        bad.lease_time = Duration::ZERO;
        assert!(matches!(bad.check(), Err(Invalid::LeaseTime(_))));
    }

    #[test]
    fn the_gateway_the_server_and_the_ends_are_no_host_addresses() {
        let network = network();
        for address in [network.cidr.network(), network.cidr.broadcast(), network.server] {
            assert!(!network.is_host(address), "{address}");
        }
        assert!(network.is_host(Ipv4Addr::new(10, 12, 0, 77)));
    }
}
