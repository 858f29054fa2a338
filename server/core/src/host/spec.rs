//! What an operator says of a host: where it stands, how it is told apart, how it is powered and booted.

use std::collections::BTreeMap;

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
}

/// How a host boots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Firmware mode.
    pub mode: Firmware,
    /// Ways to reach the agent, first one first.
    pub methods: Vec<BootMethod>,
}

impl Default for Boot {
    fn default() -> Self {
        Self { mode: Firmware::Uefi, methods: vec![BootMethod::Pxe] }
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
}

/// How a host is powered; exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
pub enum Driver {
    /// A BMC that speaks Redfish.
    Redfish(Redfish),
    /// A QEMU machine on the server itself.
    Qemu(Qemu),
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
            errors
                .push(FieldError::new("boot.methods", "name at least one way to boot: \"pxe\" or \"http\""));
        }
        if self.boot.mode == Firmware::Bios && self.boot.methods.contains(&BootMethod::Http) {
            errors.push(FieldError::new(
                "boot.methods",
                "\"http\" is UEFI HTTP Boot; with mode = \"bios\" use \"pxe\"",
            ));
        }
        if self.identity.boot_mac.is_some_and(|mac| !mac.is_unicast()) {
            errors.push(FieldError::new("identity.boot_mac", "a NIC's address is a unicast MAC"));
        }
        match &self.driver {
            Driver::Redfish(redfish) => redfish.validate(self, &mut errors),
            Driver::Qemu(qemu) => qemu.validate(&mut errors),
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn references(&self) -> Vec<Reference> {
        let mut references = vec![Reference::member_of(Kind::Pool, &self.pool, "pool")];
        if let Driver::Redfish(redfish) = &self.driver {
            references.push(Reference::new(Kind::Credential, &redfish.credential, "redfish.credential"));
        }
        references
    }
}

impl Redfish {
    fn validate(&self, spec: &Spec, errors: &mut Vec<FieldError>) {
        let host = self.address.strip_prefix("https://").or_else(|| self.address.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '@', '?', '#', ' '])) {
            errors.push(FieldError::new(
                "redfish.address",
                "write it as https://ADDRESS or https://ADDRESS:PORT",
            ));
        }
        if spec.identity == Identity::default() {
            errors.push(FieldError::new("identity", "a Redfish host needs one of boot_mac, serial or uuid"));
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
