//! `underlay_host` to the API and back.

use std::time::Duration;

use tfplugin::Attr;
use underlay_proto::v1::{self as pb, host_spec::Driver};

use super::{
    defaults,
    model::{Boot, Identity, Ipmi, Manual, Model, NoDriver, Qemu, Redfish},
};
use crate::{
    client::Client,
    facts::hardware,
    planned::Planned,
    resources::object::{Mirror, fields},
    written::{
        Fit, all_bytes, bytes, nested, plain, seen_all_bytes, seen_bytes, seen_caseless, seen_list, seen_map,
        seen_text, settled,
    },
};

impl Mirror for Model {
    type Noun = pb::Host;
    const WAIT: Duration = Duration::from_secs(10 * 60);
    const DELETE: Duration = Duration::from_secs(10 * 60);

    fields!(id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
        self.boot_mac = Attr::Unknown;
        self.forwards = Attr::Unknown;
        self.hardware = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        _config: &Self,
        _prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutHostRequest> {
        let key = client.key(plan.name.require()?);
        Ok(pb::PutHostRequest { key: Some(key), spec: Some(spec(plan)?), options: Some(options) })
    }

    fn foretell(planned: &Planned, put: &pb::PutHostRequest) {
        if let (Some(key), Some(spec)) = (&put.key, &put.spec) {
            planned.host(&key.name, &spec.pool);
        }
    }

    fn read(prior: &Self, host: &pb::Host) -> Self {
        let meta = host.meta.clone().unwrap_or_default();
        let spec = host.spec.clone().unwrap_or_default();
        let status = host.status.clone().unwrap_or_default();
        let driver = spec.driver.as_ref();
        Model {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            pool: seen_text(&spec.pool),
            labels: seen_map(&prior.labels, spec.labels.into_iter().collect()),
            identity: seen_identity(&prior.identity, &spec.identity.unwrap_or_default()),
            boot: seen_boot(&prior.boot, &spec.boot.unwrap_or_default()),
            redfish: seen(driver, |driver| match driver {
                Driver::Redfish(redfish) => Some(seen_redfish(redfish)),
                _ => None,
            }),
            ipmi: seen(driver, |driver| match driver {
                Driver::Ipmi(ipmi) => Some(seen_ipmi(ipmi)),
                _ => None,
            }),
            qemu: seen(driver, |driver| match driver {
                Driver::Qemu(qemu) => Some(seen_qemu(&prior.qemu, qemu)),
                _ => None,
            }),
            manual: seen(driver, |driver| match driver {
                Driver::Manual(manual) => Some(seen_manual(manual)),
                _ => None,
            }),
            none: seen(driver, |driver| matches!(driver, Driver::None(_)).then_some(NoDriver {})),
            protected: spec.protected.into(),
            on_destroy: seen_text(&spec.on_destroy),
            phase: host.standing.clone().unwrap_or_default().phase.into(),
            boot_mac: seen_text(&status.boot_mac),
            forwards: Attr::Value(status.forwards.into_iter().collect()),
            hardware: hardware(status.inventory.as_ref()),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, host: &pb::Host) -> Self {
        let fresh = Self::read(plan, host);
        Model {
            id: fresh.id,
            incarnation: fresh.incarnation,
            identity: settled(&plan.identity, fresh.identity),
            protected: settled(&plan.protected, fresh.protected),
            on_destroy: settled(&plan.on_destroy, fresh.on_destroy),
            phase: settled(&plan.phase, fresh.phase),
            boot_mac: settled(&plan.boot_mac, fresh.boot_mac),
            forwards: settled(&plan.forwards, fresh.forwards),
            hardware: settled(&plan.hardware, fresh.hardware),
            ..plan.clone()
        }
    }
}

/// The spec that a plan asks for.
fn spec(plan: &Model) -> Fit<pb::HostSpec> {
    let redfish = nested(&plan.redfish, redfish)?.map(Driver::Redfish);
    let ipmi = nested(&plan.ipmi, ipmi)?.map(Driver::Ipmi);
    let qemu = nested(&plan.qemu, qemu)?.map(Driver::Qemu);
    let manual = nested(&plan.manual, manual)?.map(Driver::Manual);
    let none = nested(&plan.none, |NoDriver {}| Ok(pb::NoDriver {}))?.map(Driver::None);
    let plan = &defaults::known(plan);
    Ok(pb::HostSpec {
        pool: plain(&plan.pool)?,
        labels: plain(&plan.labels)?.into_iter().collect(),
        identity: nested(&plan.identity, identity)?,
        boot: nested(&plan.boot, boot)?,
        driver: redfish.or(ipmi).or(qemu).or(manual).or(none),
        protected: plain(&plan.protected)?,
        on_destroy: plain(&plan.on_destroy)?,
    })
}

fn identity(identity: &Identity) -> Fit<pb::HostIdentity> {
    let Identity { boot_mac, serial, uuid, tpm } = identity;
    Ok(pb::HostIdentity {
        boot_mac: plain(boot_mac)?,
        serial: plain(serial)?,
        uuid: plain(uuid)?,
        tpm: plain(tpm)?,
    })
}

fn boot(boot: &Boot) -> Fit<pb::HostBoot> {
    Ok(pb::HostBoot {
        mode: plain(&boot.mode)?,
        methods: plain(&boot.methods)?,
        address: plain(&boot.address)?,
        gateway: plain(&boot.gateway)?,
    })
}

fn redfish(redfish: &Redfish) -> Fit<pb::RedfishDriver> {
    Ok(pb::RedfishDriver {
        address: plain(&redfish.address)?,
        credential: plain(&redfish.credential)?,
        tls: plain(&redfish.tls)?,
        ca_pem: plain(&redfish.ca_pem)?,
        system: plain(&redfish.system)?,
        own_password: plain(&redfish.own_password)?,
    })
}

fn ipmi(ipmi: &Ipmi) -> Fit<pb::IpmiDriver> {
    Ok(pb::IpmiDriver {
        address: plain(&ipmi.address)?,
        credential: plain(&ipmi.credential)?,
        cipher_suite: plain(&ipmi.cipher_suite)?,
    })
}

fn manual(manual: &Manual) -> Fit<pb::ManualDriver> {
    Ok(pb::ManualDriver { webhook: plain(&manual.webhook)?, credential: plain(&manual.credential)? })
}

fn qemu(qemu: &Qemu) -> Fit<pb::QemuDriver> {
    Ok(pb::QemuDriver {
        cpus: plain(&qemu.cpus)?,
        memory_bytes: bytes("qemu.memory", &qemu.memory)?,
        disk_bytes: all_bytes("qemu.disks", &qemu.disks)?,
        forward: plain(&qemu.forward)?.into_iter().map(u32::from).collect(),
        tap: plain(&qemu.tap)?,
    })
}

/// A driver's block, where the host has that driver.
fn seen<T>(driver: Option<&Driver>, block: impl FnOnce(&Driver) -> Option<T>) -> Attr<T> {
    driver.and_then(block).map_or(Attr::Null, Attr::Value)
}

fn seen_ipmi(ipmi: &pb::IpmiDriver) -> Ipmi {
    let suite = Some(ipmi.cipher_suite).filter(|suite| *suite != 0);
    Ipmi {
        address: seen_text(&ipmi.address),
        credential: seen_text(&ipmi.credential),
        cipher_suite: suite.map_or(Attr::Null, Attr::Value),
    }
}

fn seen_manual(manual: &pb::ManualDriver) -> Manual {
    Manual { webhook: seen_text(&manual.webhook), credential: seen_text(&manual.credential) }
}

fn seen_identity(prior: &Attr<Identity>, identity: &pb::HostIdentity) -> Attr<Identity> {
    let before = prior.clone().unwrap_or_default();
    let seen = Identity {
        boot_mac: seen_caseless(&before.boot_mac, &identity.boot_mac),
        serial: seen_text(&identity.serial),
        uuid: seen_caseless(&before.uuid, &identity.uuid),
        tpm: seen_text(&identity.tpm),
    };
    if seen == Identity::default() { prior.clone() } else { seen.into() }
}

/// Left out, it is the default.
fn seen_boot(prior: &Attr<Boot>, boot: &pb::HostBoot) -> Attr<Boot> {
    let is_default = boot.mode == "uefi" && boot.methods == ["pxe"] && boot.address.is_empty();
    if prior.is_null() && is_default {
        return Attr::Null;
    }
    Boot {
        mode: seen_text(&boot.mode),
        methods: boot.methods.clone().into(),
        address: seen_text(&boot.address),
        gateway: seen_text(&boot.gateway),
    }
    .into()
}

fn seen_redfish(redfish: &pb::RedfishDriver) -> Redfish {
    Redfish {
        address: seen_text(&redfish.address),
        credential: seen_text(&redfish.credential),
        tls: seen_text(&redfish.tls),
        ca_pem: seen_text(&redfish.ca_pem),
        system: seen_text(&redfish.system),
        own_password: redfish.own_password.into(),
    }
}

fn seen_qemu(prior: &Attr<Qemu>, qemu: &pb::QemuDriver) -> Qemu {
    let before = prior.clone().unwrap_or_default();
    let forward = qemu.forward.iter().filter_map(|port| u16::try_from(*port).ok()).collect();
    Qemu {
        cpus: qemu.cpus.into(),
        memory: seen_bytes(&before.memory, qemu.memory_bytes),
        disks: seen_all_bytes(&before.disks, &qemu.disk_bytes),
        forward: seen_list(&before.forward, forward),
        tap: seen_text(&qemu.tap),
    }
}
