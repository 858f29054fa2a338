//! Host on the wire, both ways.

use std::collections::BTreeMap;

use underlay_core::{
    Bytes, FieldError, Name, Object,
    bmc::Power,
    host::{
        Address, Boot, BootMethod, Driver, Firmware, Host, Identity, Ipmi, Manual, OnDestroy, Qemu, Redfish,
        Spec, Status, Tls,
    },
    resident::Line,
};
use underlay_proto::v1 as pb;

use super::{cleaning, faults::Faults, inventory, object};

const FIRMWARE: [(&str, Firmware); 2] = [("uefi", Firmware::Uefi), ("bios", Firmware::Bios)];
const METHODS: [(&str, BootMethod); 3] =
    [("pxe", BootMethod::Pxe), ("http", BootMethod::Http), ("virtual_media", BootMethod::VirtualMedia)];
const ON_DESTROY: [(&str, OnDestroy); 2] =
    [("power_off", OnDestroy::PowerOff), ("forget", OnDestroy::Forget)];

/// The longest CA bundle of a BMC, in bytes.
const CA_PEM: usize = 64 << 10;

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::HostSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let pool = faults.parse_optional::<Name>("pool", &message.pool).unwrap_or_default();
    let labels = labels(&mut faults, message.labels);
    let identity = identity(&mut faults, message.identity.unwrap_or_default());
    let boot = boot(&mut faults, message.boot.unwrap_or_default());
    let driver = match message.driver {
        Some(pb::host_spec::Driver::Redfish(message)) => Some(Driver::Redfish(redfish(&mut faults, message))),
        Some(pb::host_spec::Driver::Qemu(message)) => Some(Driver::Qemu(qemu(&mut faults, message))),
        Some(pb::host_spec::Driver::Ipmi(message)) => Some(Driver::Ipmi(ipmi(&mut faults, message))),
        Some(pb::host_spec::Driver::Manual(message)) => Some(Driver::Manual(manual(&mut faults, message))),
        Some(pb::host_spec::Driver::None(pb::NoDriver {})) => Some(Driver::None),
        None => {
            faults.add("redfish", "a host needs exactly one of redfish, ipmi, qemu, manual and none = {...}");
            None
        }
    };
    let gone = match driver {
        Some(Driver::None) => OnDestroy::Forget,
        _ => OnDestroy::PowerOff,
    };
    let on_destroy = faults.word("on_destroy", &message.on_destroy, &ON_DESTROY, gone);
    let protected = message.protected;
    let pool = pool.to_string();
    faults.into_result(driver.map(|driver| Spec {
        pool,
        labels,
        identity,
        boot,
        driver,
        protected,
        on_destroy,
    }))
}

pub(crate) fn labels(
    faults: &mut Faults,
    labels: std::collections::HashMap<String, String>,
) -> BTreeMap<String, String> {
    faults
        .map("labels", labels)
        .into_iter()
        .map(|(name, value)| {
            let value = faults.text(&format!("labels.{name}"), value, 256);
            (name, value)
        })
        .collect()
}

fn identity(faults: &mut Faults, message: pb::HostIdentity) -> Identity {
    Identity {
        boot_mac: faults.parse_optional("identity.boot_mac", &message.boot_mac),
        serial: faults.optional("identity.serial", message.serial),
        uuid: faults.parse_optional("identity.uuid", &message.uuid),
    }
}

fn boot(faults: &mut Faults, message: pb::HostBoot) -> Boot {
    let mode = faults.word("boot.mode", &message.mode, &FIRMWARE, Firmware::Uefi);
    let mut methods: Vec<BootMethod> = faults
        .list("boot.methods", message.methods)
        .iter()
        .enumerate()
        .map(|(at, method)| faults.word(&format!("boot.methods.{at}"), method, &METHODS, BootMethod::Pxe))
        .collect();
    if methods.is_empty() {
        methods.push(BootMethod::Pxe);
    }
    let cidr = faults.parse_optional("boot.address", &message.address);
    let gateway = faults.parse_optional("boot.gateway", &message.gateway);
    if cidr.is_none() && gateway.is_some() {
        faults.add("boot.gateway", "is used with an address only");
    }
    Boot { mode, methods, address: cidr.map(|cidr| Address { cidr, gateway }) }
}

fn redfish(faults: &mut Faults, message: pb::RedfishDriver) -> Redfish {
    let pem = message.ca_pem;
    if pem.len() > CA_PEM {
        faults.add("redfish.ca_pem", format!("is longer than {CA_PEM} bytes"));
    }
    let tls = match message.tls.as_str() {
        "ca" if pem.is_empty() => {
            faults.add("redfish.ca_pem", "tls = \"ca\" needs the CA's certificate in PEM");
            Tls::Pin
        }
        "ca" => Tls::Ca { pem },
        _ if !pem.is_empty() => {
            faults.add("redfish.ca_pem", "is used with tls = \"ca\" only");
            Tls::Pin
        }
        "" | "pin" => Tls::Pin,
        "insecure" => Tls::Insecure,
        _ => {
            faults.add("redfish.tls", "use one of \"pin\", \"ca\", \"insecure\"");
            Tls::Pin
        }
    };
    let credential = faults.text("redfish.credential", message.credential, 512);
    if credential.is_empty() {
        faults.add("redfish.credential", "name the credential to log in with: underlay_credential.NAME.name");
    }
    Redfish {
        address: faults.text("redfish.address", message.address, 512),
        credential,
        tls,
        system: faults.optional("redfish.system", message.system),
        own_password: message.own_password,
    }
}

/// Reads how a BMC is spoken to that no host has: no credential is named.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn redfish_of_nobody(message: pb::RedfishDriver) -> Result<Redfish, Vec<FieldError>> {
    let mut faults = Faults::default();
    // None is looked up by this name.
    let redfish = redfish(&mut faults, pb::RedfishDriver { credential: "given".into(), ..message });
    let redfish = faults.into_result(Some(redfish))?;
    redfish.address_fault().map_or(Ok(redfish), |fault| Err(vec![fault]))
}

fn ipmi(faults: &mut Faults, message: pb::IpmiDriver) -> Ipmi {
    let credential = faults.text("ipmi.credential", message.credential, 512);
    if credential.is_empty() {
        faults.add("ipmi.credential", "name the credential to log in with: underlay_credential.NAME.name");
    }
    let suite = faults.narrow("ipmi.cipher_suite", message.cipher_suite).filter(|suite| *suite != 0);
    Ipmi { address: faults.text("ipmi.address", message.address, 512), credential, cipher_suite: suite }
}

fn manual(faults: &mut Faults, message: pb::ManualDriver) -> Manual {
    Manual {
        webhook: faults.optional("manual.webhook", message.webhook),
        credential: faults.optional("manual.credential", message.credential),
    }
}

fn qemu(faults: &mut Faults, message: pb::QemuDriver) -> Qemu {
    let forward = faults
        .list("qemu.forward", message.forward)
        .into_iter()
        .enumerate()
        .filter_map(|(at, port)| faults.narrow(&format!("qemu.forward.{at}"), port))
        .collect();
    Qemu {
        cpus: message.cpus,
        memory: Bytes(message.memory_bytes),
        disks: faults.list("qemu.disks", message.disk_bytes).into_iter().map(Bytes).collect(),
        forward,
        tap: tap(faults, message.tap),
    }
}

/// A tap device's name ends up in QEMU's arguments: no comma, no white space.
fn tap(faults: &mut Faults, name: String) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.len() > 15 || !name.chars().all(known) {
        faults.add("qemu.tap", "an interface name has 1 to 15 of a-z, A-Z, 0-9, '.', '-' and '_'");
        return None;
    }
    Some(name).filter(|name| !name.is_empty())
}

fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> String {
    words.iter().find(|(_, known)| *known == value).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::HostSpec {
    let identity = pb::HostIdentity {
        boot_mac: spec.identity.boot_mac.map(|mac| mac.to_string()).unwrap_or_default(),
        serial: spec.identity.serial.clone().unwrap_or_default(),
        uuid: spec.identity.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
    };
    let boot = pb::HostBoot {
        mode: word(&FIRMWARE, spec.boot.mode),
        methods: spec.boot.methods.iter().map(|method| word(&METHODS, *method)).collect(),
        address: spec.boot.address.map(|address| address.cidr.to_string()).unwrap_or_default(),
        gateway: spec
            .boot
            .address
            .and_then(|address| address.gateway)
            .map(|it| it.to_string())
            .unwrap_or_default(),
    };
    let driver = match &spec.driver {
        Driver::Redfish(redfish) => pb::host_spec::Driver::Redfish(redfish_message(redfish)),
        Driver::Qemu(qemu) => pb::host_spec::Driver::Qemu(pb::QemuDriver {
            cpus: qemu.cpus,
            memory_bytes: qemu.memory.0,
            disk_bytes: qemu.disks.iter().map(|size| size.0).collect(),
            forward: qemu.forward.iter().map(|port| u32::from(*port)).collect(),
            tap: qemu.tap.clone().unwrap_or_default(),
        }),
        Driver::Ipmi(ipmi) => pb::host_spec::Driver::Ipmi(pb::IpmiDriver {
            address: ipmi.address.clone(),
            credential: ipmi.credential.clone(),
            cipher_suite: ipmi.cipher_suite.map(u32::from).unwrap_or_default(),
        }),
        Driver::Manual(manual) => pb::host_spec::Driver::Manual(pb::ManualDriver {
            webhook: manual.webhook.clone().unwrap_or_default(),
            credential: manual.credential.clone().unwrap_or_default(),
        }),
        Driver::None => pb::host_spec::Driver::None(pb::NoDriver {}),
    };
    pb::HostSpec {
        pool: spec.pool.clone(),
        labels: spec.labels.clone().into_iter().collect(),
        identity: Some(identity),
        boot: Some(boot),
        driver: Some(driver),
        protected: spec.protected,
        on_destroy: word(&ON_DESTROY, spec.on_destroy),
    }
}

fn redfish_message(redfish: &Redfish) -> pb::RedfishDriver {
    let (tls, ca_pem) = match &redfish.tls {
        Tls::Pin => ("pin", String::new()),
        Tls::Ca { pem } => ("ca", pem.clone()),
        Tls::Insecure => ("insecure", String::new()),
    };
    pb::RedfishDriver {
        address: redfish.address.clone(),
        credential: redfish.credential.clone(),
        tls: tls.to_owned(),
        ca_pem,
        system: redfish.system.clone().unwrap_or_default(),
        own_password: redfish.own_password,
    }
}

fn status_message(status: &Status) -> pb::HostStatus {
    let power = match status.power {
        Some(Power::On) => "on",
        Some(Power::Off) => "off",
        Some(Power::Unknown) | None => "unknown",
    };
    pb::HostStatus {
        power: power.to_owned(),
        inventory: status.inventory.as_ref().map(inventory::message),
        inventoried_at: status.inventoried_at.map(object::timestamp),
        machine: status.machine.clone().unwrap_or_default(),
        forwards: status.forwards.clone().into_iter().collect(),
        boot_mac: status.boot_mac.map(|mac| mac.to_string()).unwrap_or_default(),
        conditions: status.conditions.iter().map(object::condition).collect(),
        waiting_since: status.waiting_since.map(object::timestamp),
        inventory_changes: status.changes.iter().map(inventory::change).collect(),
        resident: status.resident.as_ref().map(|resident| pb::Resident {
            connected: resident.line == Line::Open,
            system: Some(inventory::system_message(&resident.system)),
        }),
        cleanings: status.cleanings.iter().map(cleaning::message).collect(),
    }
}

/// Spells a host.
pub(crate) fn message(host: &Object<Host>) -> pb::Host {
    pb::Host {
        meta: Some(object::meta(&host.meta)),
        spec: Some(spec_message(&host.spec)),
        status: Some(status_message(&host.status)),
        standing: Some(object::standing(host)),
    }
}
