//! The schema of `underlay_network`.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, Timeouts, schema::validate, timeouts};

use crate::resources::object::valid_name;

/// A boot segment and what its DHCP says.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the network is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// The IPv4 segment, such as `10.12.0.0/22`.
    #[tf(required)]
    pub cidr: Attr<String>,
    /// Default route handed out.
    #[tf(optional)]
    pub gateway: Attr<String>,
    /// Name servers handed out.
    #[tf(optional)]
    pub dns: Attr<Vec<String>>,
    /// Domain handed out.
    #[tf(optional)]
    pub domain: Attr<String>,
    /// Who answers DHCP, and how.
    #[tf(required)]
    pub dhcp: Attr<Dhcp>,
    /// What an unknown machine gets: `discover`, `local_disk` or `ignore`. Left out, it is discovered where the server is
    /// the DHCP server, and ignored otherwise.
    #[tf(optional, validate = validate::one_of(&["discover", "local_disk", "ignore"]))]
    pub unknown: Attr<String>,
    /// Addresses kept for a NIC, by MAC address.
    #[tf(optional)]
    pub reservations: Attr<BTreeMap<String, String>>,
    /// Where it stands: `serving` once the boot servers answer by it.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// Who answers DHCP, and how.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Dhcp {
    /// `server` hands out addresses and boot files, `proxy` adds boot files to another server's answers, `off` leaves both
    /// to it.
    #[tf(required, validate = validate::one_of(&["server", "proxy", "off"]))]
    pub mode: Attr<String>,
    /// First and last address of the dynamic range, such as `10.12.1.0-10.12.3.250`.
    #[tf(optional, validate = valid_range)]
    pub range: Attr<String>,
    /// The server's interface on the segment; left out, the one with an address in the segment, or a relay.
    #[tf(optional)]
    pub interface: Attr<String>,
    /// How long an address is lent, such as `1h`, which is the default.
    #[tf(optional, validate = timeouts::valid)]
    pub lease: Attr<String>,
}

/// The two ends of a range; `None` if the text is none.
pub(super) fn range(text: &str) -> Option<(&str, &str)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let is_address = |text: &str| text.parse::<std::net::Ipv4Addr>().is_ok();
    (is_address(first) && is_address(last)).then_some((first, last))
}

/// For `#[tf(validate = ...)]`: a range of addresses.
///
/// # Errors
/// It is none.
fn valid_range(text: &String) -> Result<(), String> {
    match range(text) {
        Some(_) => Ok(()),
        None => Err(format!("must be two addresses, as in \"10.12.1.0-10.12.3.250\", not {text:?}")),
    }
}
