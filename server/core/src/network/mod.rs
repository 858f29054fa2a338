//! Network: a boot segment and what its DHCP says.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{FieldError, Kind, Mac, Noun, condition::Condition};

/// Marks networks in the type system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network;

impl Noun for Network {
    const KIND: Kind = Kind::Network;
    type Spec = Spec;
    type State = State;
    type Status = Status;
}

/// Desired state of a boot network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The segment.
    pub cidr: Ipv4Net,
    /// Default route handed out.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers handed out.
    pub dns: Vec<Ipv4Addr>,
    /// Domain handed out.
    pub domain: Option<String>,
    /// Who answers DHCP.
    pub dhcp: Dhcp,
    /// What an unknown machine gets; left out: discover where we are the DHCP server, ignore otherwise.
    pub unknown: Option<Unknown>,
    /// Addresses kept for a NIC.
    pub reservations: BTreeMap<Mac, Ipv4Addr>,
}

/// Who answers DHCP on a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dhcp {
    /// Us, us beside another server, or nobody of ours.
    pub mode: Mode,
    /// First and last address of the dynamic range; needed in server mode.
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The server's interface on the segment; left out: the one with an address in `cidr`, or a relay.
    pub interface: Option<String>,
    /// Lease time in seconds.
    pub lease_seconds: u32,
}

/// DHCP mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// We hand out addresses and boot files.
    Server,
    /// Someone else hands out addresses, we add boot files (PXE 2.1 proxyDHCP).
    Proxy,
    /// Someone else does both.
    Off,
}

/// What an unknown machine gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The agent, which reports what it found and waits.
    Discover,
    /// An address, and its own disk.
    LocalDisk,
    /// No answer.
    Ignore,
}

/// Where a network stands: it is configuration, so it is served as soon as it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not looked at yet.
    #[default]
    Pending,
    /// The boot servers answer by it.
    Serving,
}

/// What readers see of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What holds true of it, by name.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl Spec {
    /// What an unknown machine gets, with the default filled in.
    pub fn unknown(&self) -> Unknown {
        self.unknown.unwrap_or(match self.dhcp.mode {
            Mode::Server => Unknown::Discover,
            Mode::Proxy | Mode::Off => Unknown::Ignore,
        })
    }
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let inside = |address: &Ipv4Addr| {
            self.cidr.contains(address)
                && *address != self.cidr.network()
                && *address != self.cidr.broadcast()
        };
        if self.gateway.is_some_and(|gateway| !inside(&gateway)) {
            errors.push(FieldError::new("gateway", format!("is not an address of {}", self.cidr)));
        }
        match (&self.dhcp.mode, &self.dhcp.range) {
            (Mode::Server, None) => errors.push(FieldError::new(
                "dhcp.range",
                "a DHCP server needs a range, written \"10.12.1.0-10.12.3.250\"",
            )),
            (_, Some((first, last))) if !inside(first) || !inside(last) || first > last => {
                errors.push(FieldError::new("dhcp.range", format!("must go upwards inside {}", self.cidr)));
            }
            _ => {}
        }
        if !(60..=31_536_000).contains(&self.dhcp.lease_seconds) {
            errors.push(FieldError::new("dhcp.lease", "use 1 minute to 1 year"));
        }
        let mut seen = BTreeMap::new();
        for (mac, address) in &self.reservations {
            let path = format!("reservations.{mac}");
            if !inside(address) {
                errors.push(FieldError::new(&path, format!("{address} is not an address of {}", self.cidr)));
            }
            if let Some(other) = seen.insert(address, mac) {
                errors.push(FieldError::new(&path, format!("{address} is reserved for {other} already")));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl crate::State for State {
    fn phase(&self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Serving => "serving",
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, State::Serving)
    }
}
