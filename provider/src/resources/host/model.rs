//! The schema of `underlay_host`.

use std::collections::BTreeMap;

use tfplugin::{Attr, Schema, Timeouts, schema::validate};

use crate::{facts::Hardware, resources::object::valid_name, size};

/// A physical or virtual box that the server can power and boot.
///
/// Exactly one of `redfish`, `ipmi`, `qemu`, `manual` and `none` says how. Destroying a host never erases a disk.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// The server's id.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// Changes when the host is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// The pool it belongs to.
    #[tf(default = "default", validate = valid_name)]
    pub pool: Attr<String>,
    /// Labels.
    #[tf(optional)]
    pub labels: Attr<BTreeMap<String, String>>,
    /// How the box is known; each one given must match before a byte is written to a disk. Left out of a host with
    /// `none = {}`, it stays as its adoption found it.
    #[tf(optional, computed)]
    pub identity: Attr<Identity>,
    /// How it boots.
    #[tf(optional)]
    pub boot: Attr<Boot>,
    /// A BMC that speaks Redfish.
    #[tf(optional)]
    pub redfish: Attr<Redfish>,
    /// A BMC that speaks IPMI 2.0 over the network.
    #[tf(optional)]
    pub ipmi: Attr<Ipmi>,
    /// A QEMU machine that the server runs itself.
    #[tf(optional)]
    pub qemu: Attr<Qemu>,
    /// A host that somebody else switches: a person, or a program behind a URL.
    #[tf(optional)]
    pub manual: Attr<Manual>,
    /// A host that nobody switches, because it was adopted while it ran: `none = {}`.
    #[tf(optional)]
    pub none: Attr<NoDriver>,
    /// Refuse to destroy it and to erase its disks. Left out, it is `false`, and `true` with `none = {}`.
    #[tf(optional, computed)]
    pub protected: Attr<bool>,
    /// What destroying does to the box: `power_off`, or `forget` to leave it as it is. Left out, it is `power_off`, and
    /// `forget` with `none = {}`, where nothing else can be.
    #[tf(optional, computed, validate = validate::one_of(&["power_off", "forget"]))]
    pub on_destroy: Attr<String>,
    /// Where it stands: `available` once its driver answers.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// The MAC address it boots over.
    #[tf(computed, keep)]
    pub boot_mac: Attr<String>,
    /// Where forwarded guest ports are reachable, by guest port.
    #[tf(computed)]
    pub forwards: Attr<BTreeMap<String, String>>,
    /// What the agent found at its last visit; null before the first.
    #[tf(computed, keep)]
    pub hardware: Attr<Hardware>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// What tells the box apart from others.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Identity {
    /// MAC address of the NIC it boots over.
    #[tf(optional, computed)]
    pub boot_mac: Attr<String>,
    /// SMBIOS system serial number.
    #[tf(optional, computed)]
    pub serial: Attr<String>,
    /// SMBIOS system UUID.
    #[tf(optional, computed)]
    pub uuid: Attr<String>,
    /// SHA-256 of its TPM's key for quotes, 64 hexadecimal digits, as a deployment names it that finds no such thing here: what
    /// a pool with `trust = "tpm"` knows the host by. Tells no box from another by itself.
    #[tf(optional)]
    pub tpm: Attr<String>,
}

/// How it boots.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Boot {
    /// `uefi` or `bios`.
    #[tf(default = "uefi", validate = validate::one_of(&["uefi", "bios"]))]
    pub mode: Attr<String>,
    /// Ways to reach the agent, in the order to be tried: `pxe`, `http`, `virtual_media`.
    #[tf(default = vec!["pxe".to_owned()])]
    pub methods: Attr<Vec<String>>,
    /// Where there is no DHCP: address and prefix length that the agent takes for `identity.boot_mac`, such as
    /// `10.12.0.9/22`, when it is booted by `virtual_media`.
    #[tf(optional)]
    pub address: Attr<String>,
    /// Default route beside that address.
    #[tf(optional)]
    pub gateway: Attr<String>,
}

/// A BMC that speaks Redfish.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Redfish {
    /// `https://ADDRESS`, with `:PORT` where it is not 443.
    #[tf(required)]
    pub address: Attr<String>,
    /// Name of the `underlay_credential` to log in with.
    #[tf(required)]
    pub credential: Attr<String>,
    /// How its certificate is checked: `pin` (the one seen first), `ca` or `insecure`.
    #[tf(default = "pin", validate = validate::one_of(&["pin", "ca", "insecure"]))]
    pub tls: Attr<String>,
    /// The CA, PEM, for `tls = "ca"`.
    #[tf(optional)]
    pub ca_pem: Attr<String>,
    /// Id of the ComputerSystem, where the service has several.
    #[tf(optional)]
    pub system: Attr<String>,
    /// Once the host is enrolled, give its BMC a password of its own in place of the credential's, which is then used no
    /// more; `false` and destroy put the credential's back. The server draws it, keeps it sealed and shows it to an
    /// administrator alone: `underlay host password NAME`. It never is in the state. Needs `https` and a certificate that is
    /// checked, and is not for hosts that share one service (`system`).
    #[tf(default = false)]
    pub own_password: Attr<bool>,
}

/// A BMC that speaks IPMI 2.0 over the network.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Ipmi {
    /// `ADDRESS`, with `:PORT` where it is not 623.
    #[tf(required)]
    pub address: Attr<String>,
    /// Name of the `underlay_credential` to log in with.
    #[tf(required)]
    pub credential: Attr<String>,
    /// Cipher suite, 17 or 3; left out, 17 is tried and then 3.
    #[tf(optional)]
    pub cipher_suite: Attr<u32>,
}

/// A host that somebody else switches.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Manual {
    /// URL that is told of each wish by a POST; left out, a person does it and says so with `underlay host confirm`.
    #[tf(optional)]
    pub webhook: Attr<String>,
    /// Name of the `underlay_credential` for the webhook.
    #[tf(optional)]
    pub credential: Attr<String>,
}

/// A host that nobody switches.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct NoDriver {}

/// A QEMU machine that the server runs itself.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Qemu {
    /// Virtual CPUs.
    #[tf(required, validate = validate::between(1..=64))]
    pub cpus: Attr<u32>,
    /// Memory, such as `1GiB`.
    #[tf(required, validate = size::valid)]
    pub memory: Attr<String>,
    /// Sizes of its disks, such as `["4GiB"]`.
    #[tf(required, validate = size::all_valid)]
    pub disks: Attr<Vec<String>>,
    /// Guest TCP ports to make reachable on the server's loopback; `forwards` says where.
    #[tf(optional)]
    pub forward: Attr<Vec<u16>>,
    /// A tap device instead of user networking.
    #[tf(optional)]
    pub tap: Attr<String>,
}
