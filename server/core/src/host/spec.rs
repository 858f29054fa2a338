//! What an operator says of a host: where it stands, how it is told apart, how it is powered and booted.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Bytes, FieldError, Kind, Mac, Reference};

/// Desired state of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The pool it belongs to, `NAME` or `OWNER/NAME`; there need not be one of that name.
    pub pool: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// How the box is told apart from others.
    pub identity: Identity,
    /// How it boots.
    pub boot: Boot,
    /// How it is powered.
    pub driver: Driver,
    /// Refuse any erase or destroy while set.
    pub protected: bool,
    /// What destroying the resource does to the box.
    pub on_destroy: OnDestroy,
}

/// Any one of these suffices to know the box; each one given must match before a byte is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// MAC of the NIC it boots over.
    pub boot_mac: Option<Mac>,
    /// SMBIOS system serial number.
    pub serial: Option<String>,
    /// SMBIOS system UUID.
    pub uuid: Option<Uuid>,
    /// SHA-256 of the public point of its TPM's key for quotes, hex: does not say which box it is, but that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<String>,
}

/// How a host boots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Firmware mode.
    pub mode: Firmware,
    /// Ways to reach the agent, first one first.
    pub methods: Vec<BootMethod>,
    /// Where there is no DHCP: the address the agent takes, when it is booted by virtual media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

impl Boot {
    /// Does whoever is on the boot network and knows what the host is get its token? Not where it comes by the BMC, nor where
    /// no way to boot will do.
    pub fn trusts_the_segment(&self) -> bool {
        !self.methods.is_empty() && !self.methods.contains(&BootMethod::VirtualMedia)
    }
}

impl Default for Boot {
    fn default() -> Self {
        Self { mode: Firmware::Uefi, methods: vec![BootMethod::Pxe], address: None }
    }
}

/// The address of a host's boot NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// With the length of its network's prefix.
    pub cidr: Ipv4Net,
    /// Default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
}

impl Address {
    /// What is wrong with it, and where.
    fn fault(&self) -> Option<FieldError> {
        let (cidr, own) = (self.cidr, self.cidr.addr());
        let is_host = |address: Ipv4Addr| {
            let ends = cidr.prefix_len() < 31 && [cidr.network(), cidr.broadcast()].contains(&address);
            !(ends || address.is_unspecified() || address.is_loopback() || address.is_multicast())
        };
        if !is_host(own) {
            let why = "write the host's own address with its prefix length, such as 10.12.0.9/22";
            return Some(FieldError::new("boot.address", why));
        }
        let is_good = |gateway: Ipv4Addr| gateway != own && cidr.contains(&gateway) && is_host(gateway);
        let why = format!("use another address in {}", cidr.trunc());
        (!self.gateway.is_none_or(is_good)).then(|| FieldError::new("boot.gateway", why))
    }
}

/// Firmware mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// A way to reach the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootMethod {
    /// PXE: DHCP, then TFTP or HTTP.
    Pxe,
    /// UEFI HTTP Boot.
    Http,
    /// An ISO of the host's own, which its BMC shows it as a CD: needs no DHCP.
    VirtualMedia,
}

/// How a host is powered; exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
pub enum Driver {
    /// A BMC that speaks Redfish.
    Redfish(Redfish),
    /// A QEMU machine on the server itself.
    Qemu(Qemu),
    /// A BMC that speaks IPMI over the network.
    Ipmi(Ipmi),
    /// A person, or a program behind a URL.
    Manual(Manual),
    /// Nobody: it was adopted while it ran.
    None,
}

impl Driver {
    /// The word for it, as in HCL.
    pub fn word(&self) -> &'static str {
        match self {
            Driver::Redfish(_) => "redfish",
            Driver::Qemu(_) => "qemu",
            Driver::Ipmi(_) => "ipmi",
            Driver::Manual(_) => "manual",
            Driver::None => "none",
        }
    }

    /// The credential it logs in with, and the attribute that names it.
    pub fn credential(&self) -> Option<(&str, &'static str)> {
        match self {
            Driver::Redfish(redfish) => Some((&redfish.credential, "redfish.credential")),
            Driver::Ipmi(ipmi) => Some((&ipmi.credential, "ipmi.credential")),
            Driver::Manual(manual) => Some((manual.credential.as_deref()?, "manual.credential")),
            Driver::Qemu(_) | Driver::None => None,
        }
    }
}

/// A BMC that speaks Redfish (DSP0266).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redfish {
    /// `https://10.0.9.17`, optionally with a port.
    pub address: String,
    /// Name of the credential to log in with.
    pub credential: String,
    /// How the BMC's certificate is checked.
    pub tls: Tls,
    /// Path or id of the ComputerSystem where the service has several.
    pub system: Option<String>,
    /// Is the BMC given a password of its own in place of the credential's?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_password: bool,
}

/// How a BMC's certificate is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tls", rename_all = "snake_case")]
pub enum Tls {
    /// Pin the certificate seen first.
    Pin,
    /// It must chain to this CA.
    Ca {
        /// CA certificate, PEM.
        pem: String,
    },
    /// Do not check; only for a lab.
    Insecure,
}

/// A BMC that speaks IPMI 2.0 over the network (RMCP+, "lanplus").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ipmi {
    /// `10.0.9.17`, optionally with a port; 623 unless said.
    pub address: String,
    /// Name of the credential to log in with.
    pub credential: String,
    /// Cipher suite 3 (SHA1) or 17 (SHA256); left out, 17 is tried and then 3.
    pub cipher_suite: Option<u8>,
}

/// A host that somebody else switches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manual {
    /// URL that is told of each wish; without one a person does it and confirms.
    pub webhook: Option<String>,
    /// Name of the credential for the webhook (HTTP Basic).
    pub credential: Option<String>,
}

/// A QEMU machine that the server runs as a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qemu {
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory.
    pub memory: Bytes,
    /// Disks, in order.
    pub disks: Vec<Bytes>,
    /// Guest TCP ports to make reachable on the server's loopback; the server port is chosen and reported.
    pub forward: Vec<u16>,
    /// A tap device on a bridge instead of user networking; needs the right to open it.
    pub tap: Option<String>,
}

/// What destroying the resource does to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDestroy {
    /// Leave it as it is.
    Forget,
    /// Switch it off first.
    PowerOff,
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if self.boot.methods.is_empty() {
            let ways = "name at least one way to boot: \"pxe\", \"http\" or \"virtual_media\"";
            errors.push(FieldError::new("boot.methods", ways));
        }
        if self.boot.mode == Firmware::Bios && self.boot.methods.contains(&BootMethod::Http) {
            errors.push(FieldError::new(
                "boot.methods",
                "\"http\" is UEFI HTTP Boot; with mode = \"bios\" use \"pxe\"",
            ));
        }
        if let Some(address) = &self.boot.address {
            errors.extend(address.fault());
            if self.identity.boot_mac.is_none() {
                let why = "the NIC that takes it must be known: give identity = { boot_mac = \"..\" }";
                errors.push(FieldError::new("boot.address", why));
            }
            if !self.boot.methods.contains(&BootMethod::VirtualMedia) {
                let why = "is used by \"virtual_media\" only: the other methods take theirs from DHCP";
                errors.push(FieldError::new("boot.address", why));
            }
        }
        if self.identity.boot_mac.is_some_and(|mac| !mac.is_unicast()) {
            errors.push(FieldError::new("identity.boot_mac", "a NIC's address is a unicast MAC"));
        }
        let is_hash = |key: &String| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.identity.tpm.as_ref().is_some_and(|key| !is_hash(key)) {
            errors.push(FieldError::new(
                "identity.tpm",
                "write the SHA-256 of its TPM's key, 64 hexadecimal digits",
            ));
        }
        match &self.driver {
            Driver::Redfish(redfish) => redfish.validate(self, &mut errors),
            Driver::Qemu(qemu) => qemu.validate(&mut errors),
            Driver::Ipmi(ipmi) => ipmi.validate(self, &mut errors),
            Driver::Manual(manual) => manual.validate(self, &mut errors),
            Driver::None if self.on_destroy == OnDestroy::PowerOff => errors.push(FieldError::new(
                "on_destroy",
                "nobody can switch a host with none = {}; leave it out, or write \"forget\"",
            )),
            Driver::None => {}
        }
        if self.boot.methods.contains(&BootMethod::VirtualMedia) && !matches!(self.driver, Driver::Redfish(_))
        {
            let why = format!(
                "\"virtual_media\" needs a Redfish BMC; this host has {} = {{...}}",
                self.driver.word()
            );
            errors.push(FieldError::new("boot.methods", why));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn references(&self) -> Vec<Reference> {
        let mut references = vec![Reference::member_of(Kind::Pool, &self.pool, "pool")];
        if let Some((name, attribute)) = self.driver.credential() {
            references.push(Reference::new(Kind::Credential, name, attribute));
        }
        references
    }
}

impl Redfish {
    /// What is wrong with its address: there is no path in it, and no login, which would be written into logs.
    pub fn address_fault(&self) -> Option<FieldError> {
        let host = self.address.strip_prefix("https://").or_else(|| self.address.strip_prefix("http://"));
        let is_wrong = host.is_none_or(|host| host.is_empty() || host.contains(['/', '@', '?', '#', ' ']));
        let form = "write it as https://ADDRESS or https://ADDRESS:PORT";
        is_wrong.then(|| FieldError::new("redfish.address", form))
    }

    fn validate(&self, spec: &Spec, errors: &mut Vec<FieldError>) {
        errors.extend(self.address_fault());
        errors.extend(self.own_password_fault());
        spec.needs_identity("a Redfish host", errors);
    }

    /// A new password goes only to a BMC that is known to be the one, and only where nobody else logs in with the old one.
    fn own_password_fault(&self) -> Option<FieldError> {
        let why = if !self.own_password {
            return None;
        } else if self.tls == Tls::Insecure {
            "a password is not set on a BMC whose certificate is not checked; write tls = \"pin\" or \"ca\""
        } else if self.address.starts_with("http://") {
            "a password is not sent in the clear; write the address as https://ADDRESS"
        } else if self.system.is_some() {
            "the hosts behind one Redfish service share its accounts: leave own_password out, or leave system out \
             where the service has only one"
        } else {
            return None;
        };
        Some(FieldError::new("redfish.own_password", why))
    }
}

impl Ipmi {
    /// Host and port of its address.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn endpoint(&self) -> Result<(&str, u16), &'static str> {
        const FORM: &str = "write it as ADDRESS or ADDRESS:PORT";
        let (host, port) = match self.address.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| FORM)?)
            }
            _ => (self.address.as_str(), 623),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        // A leading dash would be an option to a program that is given it.
        let sound =
            !host.is_empty() && host.len() <= 255 && host.chars().all(plain) && !host.starts_with('-');
        if sound && port != 0 { Ok((host, port)) } else { Err(FORM) }
    }

    fn validate(&self, spec: &Spec, errors: &mut Vec<FieldError>) {
        if let Err(why) = self.endpoint() {
            errors.push(FieldError::new("ipmi.address", why));
        }
        if !matches!(self.cipher_suite, None | Some(3 | 17)) {
            errors.push(FieldError::new("ipmi.cipher_suite", "use 3 or 17; the others protect nothing"));
        }
        spec.needs_identity("an IPMI host", errors);
    }
}

impl Manual {
    fn validate(&self, spec: &Spec, errors: &mut Vec<FieldError>) {
        if let Some(url) = &self.webhook {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            let sound = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
                && url.bytes().all(|byte| byte.is_ascii_graphic())
                && !url.contains('@');
            if !sound {
                errors.push(FieldError::new(
                    "manual.webhook",
                    "write it as https://HOST/PATH, without a login",
                ));
            }
        } else if self.credential.is_some() {
            errors.push(FieldError::new("manual.credential", "is used with a webhook only"));
        }
        spec.needs_identity("a host that is switched by hand", errors);
    }
}

impl Spec {
    fn needs_identity(&self, whose: &str, errors: &mut Vec<FieldError>) {
        if (Identity { tpm: None, ..self.identity.clone() }) == Identity::default() {
            let why = format!("{whose} needs one of boot_mac, serial or uuid");
            errors.push(FieldError::new("identity", why));
        }
    }
}

impl Qemu {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if !(1..=64).contains(&self.cpus) {
            errors.push(FieldError::new("qemu.cpus", "use 1 to 64"));
        }
        if !((256 << 20)..=(1 << 40)).contains(&self.memory.0) {
            errors.push(FieldError::new("qemu.memory", "use 256MiB to 1TiB; the agent alone needs 256MiB"));
        }
        if self.disks.len() > 8 {
            errors.push(FieldError::new("qemu.disks", "use at most 8 disks"));
        }
        for (position, size) in self.disks.iter().enumerate() {
            if !((1 << 20)..=(64 << 40)).contains(&size.0) || size.0 % 512 != 0 {
                let path = format!("qemu.disks.{position}");
                errors.push(FieldError::new(path, "a disk has 1MiB to 64TiB, in whole sectors of 512 bytes"));
            }
        }
        if self.forward.contains(&0) || self.forward.len() > 16 {
            errors.push(FieldError::new("qemu.forward", "name at most 16 guest ports from 1 to 65535"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipmi(address: &str) -> Ipmi {
        Ipmi { address: address.into(), credential: "bmc".into(), cipher_suite: None }
    }

    #[test]
    fn an_ipmi_address_is_a_host_and_perhaps_a_port() {
        assert_eq!(ipmi("10.0.9.17").endpoint(), Ok(("10.0.9.17", 623)));
        assert_eq!(ipmi("bmc-7.example:6230").endpoint(), Ok(("bmc-7.example", 6230)));
        assert_eq!(ipmi("[fd00::7]:6230").endpoint(), Ok(("fd00::7", 6230)));
        assert_eq!(ipmi("fd00::7").endpoint(), Ok(("fd00::7", 623)));
        for bad in ["", "-L user", "10.0.9.17:0", "10.0.9.17:port", "a b", "lan://10.0.9.17", "h;reboot"] {
            assert!(ipmi(bad).endpoint().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_nobody_can_switch_is_not_switched_off_when_it_goes() {
        let spec = |on_destroy| Spec {
            pool: "default".into(),
            labels: BTreeMap::new(),
            identity: Identity::default(),
            boot: Boot::default(),
            driver: Driver::None,
            protected: true,
            on_destroy,
        };
        let attribute =
            |spec: &Spec| crate::Spec::validate(spec).err().map(|errors| errors[0].attribute.clone());
        assert_eq!(attribute(&spec(OnDestroy::Forget)), None);
        assert_eq!(attribute(&spec(OnDestroy::PowerOff)).as_deref(), Some("on_destroy"));
    }

    #[test]
    fn a_password_of_its_own_is_for_a_bmc_that_is_known_and_nobody_elses() {
        let redfish = |address: &str, tls, system: Option<&str>| Redfish {
            address: address.into(),
            credential: "bmc".into(),
            tls,
            system: system.map(str::to_owned),
            own_password: true,
        };
        let fault = |redfish: Redfish| redfish.own_password_fault().map(|fault| fault.message);
        assert_eq!(fault(redfish("https://10.0.9.17", Tls::Pin, None)), None);
        for (wrong, word) in [
            (redfish("https://10.0.9.17", Tls::Insecure, None), "not checked"),
            (redfish("http://10.0.9.17", Tls::Pin, None), "in the clear"),
            (redfish("https://10.0.9.17", Tls::Pin, Some("Blade1")), "share its accounts"),
        ] {
            assert_eq!(fault(Redfish { own_password: false, ..wrong.clone() }), None);
            assert!(fault(wrong).is_some_and(|why| why.contains(word)), "{word}");
        }
        let without = Redfish { own_password: false, ..redfish("https://10.0.9.17", Tls::Pin, None) };
        let text = serde_json::to_string(&without).expect("JSON");
        assert!(!text.contains("own_password"), "a spec of before stays the same: {text}");
    }

    #[test]
    fn what_is_wrong_with_a_driver_is_said_at_its_attribute() {
        let spec = |driver| Spec {
            pool: "default".into(),
            labels: BTreeMap::new(),
            identity: Identity::default(),
            boot: Boot { methods: vec![BootMethod::VirtualMedia], ..Boot::default() },
            driver,
            protected: false,
            on_destroy: OnDestroy::Forget,
        };
        let attributes = |driver| -> Vec<String> {
            let errors = crate::Spec::validate(&spec(driver)).expect_err("it is wrong");
            errors.into_iter().map(|error| error.attribute).collect()
        };
        let faulty = Ipmi { cipher_suite: Some(0), ..ipmi("") };
        assert_eq!(
            attributes(Driver::Ipmi(faulty)),
            ["ipmi.address", "ipmi.cipher_suite", "identity", "boot.methods"]
        );
        let hook = |url: &str| Manual { webhook: Some(url.into()), credential: None };
        assert_eq!(
            attributes(Driver::Manual(hook("ftp://x"))),
            ["manual.webhook", "identity", "boot.methods"]
        );
        assert_eq!(
            attributes(Driver::Manual(hook("https://me:pw@x/"))),
            ["manual.webhook", "identity", "boot.methods"]
        );
        assert_eq!(attributes(Driver::None), ["boot.methods"]);
    }
}
