//! `underlay import --hcl`: Terraform configuration for what is there already. Hosts with the import block that brings them
//! into a state, machines that nobody enrolled as hosts that are yet to be made.

use std::collections::BTreeSet;

use clap::Args;
use underlay_proto::v1::{
    self, Discovered, Host, HostIdentity, HostSpec, ListDiscoveredRequest, ListRequest, RedfishDriver,
    host_service_client::HostServiceClient, host_spec::Driver,
};

use super::Shared;
use crate::{
    connect::ANSWER,
    exit::Error,
    hcl::{Attributes, Value, comment, identifier},
    output::size,
};

/// Print Terraform configuration for what is there already
#[derive(Args, Debug)]
pub struct Import {
    /// As HCL: an import block and a resource for each host of the owner, a resource for each discovered machine
    #[arg(long, required = true)]
    hcl: bool,
    /// Only hosts of this pool; discovered machines are put into it
    #[arg(long)]
    pool: Option<String>,
}

pub(super) async fn run(import: Import, shared: Shared) -> Result<(), Error> {
    let connection = shared.target.connect().await?;
    let mut client = HostServiceClient::new(connection).max_decoding_message_size(ANSWER);
    let mut filter = ListRequest {
        site: shared.target.site.clone(),
        owner: shared.target.owner.clone(),
        page_size: 1000,
        ..ListRequest::default()
    };
    let mut hosts = Vec::new();
    loop {
        let page = client.list(filter.clone()).await?.into_inner();
        hosts.extend(page.hosts);
        if page.next_page_token.is_empty() {
            break;
        }
        filter.page_token = page.next_page_token;
    }
    let found = client.list_discovered(ListDiscoveredRequest { limit: 1000 }).await?.into_inner();
    print!("{}", configuration(&hosts, &found.discovered, import.pool.as_deref()));
    Ok(())
}

/// The whole text.
fn configuration(hosts: &[Host], found: &[Discovered], pool: Option<&str>) -> String {
    let mut names = BTreeSet::new();
    let mut text = String::new();
    for host in hosts {
        let (meta, spec) = (host.meta.clone().unwrap_or_default(), host.spec.clone().unwrap_or_default());
        if meta.deleted_at.is_some() || pool.is_some_and(|pool| pool != spec.pool) {
            continue;
        }
        let name = meta.key.unwrap_or_default().name;
        let resource = unique(&mut names, &name);
        let mut import = Attributes::default();
        import.set("to", Value::Plain(format!("underlay_host.{resource}")));
        import.set("id", format!("name/{name}").as_str());
        text.push_str(&import.block("import"));
        text.push('\n');
        text.push_str(&resource_of(&resource, &name, &spec));
        text.push('\n');
    }
    for seen in found {
        text.push_str(&stranger(&mut names, seen, pool.unwrap_or("default")));
        text.push('\n');
    }
    text
}

fn unique(taken: &mut BTreeSet<String>, name: &str) -> String {
    let plain = identifier(name);
    let mut free = plain.clone();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{plain}_{number}");
        number += 1;
    }
    free
}

fn resource_of(resource: &str, name: &str, spec: &HostSpec) -> String {
    let mut host = Attributes::default();
    host.set("name", name).set("pool", spec.pool.as_str());
    let mut labels: Vec<(String, Value)> =
        spec.labels.iter().map(|(label, value)| (label.clone(), value.as_str().into())).collect();
    labels.sort_by(|one, other| one.0.cmp(&other.0));
    if !labels.is_empty() {
        host.set("labels", Value::Object(labels));
    }
    let identity = identity(&spec.identity.clone().unwrap_or_default());
    if !identity.is_empty() {
        host.set("identity", identity.object());
    }
    let boot = spec.boot.clone().unwrap_or_default();
    let mut how = Attributes::default();
    how.text("mode", &boot.mode);
    how.set("methods", Value::List(boot.methods.iter().map(|method| method.as_str().into()).collect()));
    how.text("address", &boot.address);
    how.text("gateway", &boot.gateway);
    host.set("boot", how.object());
    if let Some(driver) = &spec.driver {
        let (name, block) = switch(driver);
        host.set(name, block.object());
    }
    host.set("protected", spec.protected);
    host.text("on_destroy", &spec.on_destroy);
    host.block(&format!("resource \"underlay_host\" \"{resource}\""))
}

fn identity(identity: &HostIdentity) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.text("boot_mac", &identity.boot_mac);
    attributes.text("serial", &identity.serial).text("uuid", &identity.uuid).text("tpm", &identity.tpm);
    attributes
}

/// The block that says how it is switched, and its name.
fn switch(driver: &Driver) -> (&'static str, Attributes) {
    let mut block = Attributes::default();
    let name = match driver {
        Driver::Redfish(redfish) => {
            redfish_block(&mut block, redfish);
            "redfish"
        }
        Driver::Ipmi(ipmi) => {
            block.set("address", ipmi.address.as_str()).set("credential", ipmi.credential.as_str());
            if ipmi.cipher_suite != 0 {
                block.set("cipher_suite", Value::Number(ipmi.cipher_suite.into()));
            }
            "ipmi"
        }
        Driver::Manual(manual) => {
            block.text("webhook", &manual.webhook).text("credential", &manual.credential);
            "manual"
        }
        Driver::None(_) => "none",
        Driver::Qemu(qemu) => {
            block.set("cpus", Value::Number(qemu.cpus.into()));
            block.set("memory", exact(qemu.memory_bytes));
            let disks = qemu.disk_bytes.iter().map(|bytes| exact(*bytes)).collect();
            block.set("disks", Value::List(disks));
            if !qemu.forward.is_empty() {
                let ports = qemu.forward.iter().map(|port| Value::Number((*port).into())).collect();
                block.set("forward", Value::List(ports));
            }
            block.text("tap", &qemu.tap);
            "qemu"
        }
    };
    (name, block)
}

/// A size that reads as just so many bytes.
fn exact(bytes: u64) -> Value {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit)).unwrap_or(&(1, "B"));
    Value::Text(format!("{}{}", bytes / unit.0, unit.1))
}

fn redfish_block(block: &mut Attributes, redfish: &RedfishDriver) {
    block.set("address", redfish.address.as_str()).set("credential", redfish.credential.as_str());
    block.text("tls", &redfish.tls).text("ca_pem", &redfish.ca_pem).text("system", &redfish.system);
}

/// A machine that nobody enrolled, as a host to be made: how it is switched is for people to say.
fn stranger(names: &mut BTreeSet<String>, seen: &Discovered, pool: &str) -> String {
    let inventory = seen.inventory.clone().unwrap_or_default();
    let name = name_of(&inventory.serial, &seen.mac);
    let mut text = comment(&format!(
        "{} {}, {} CPUs, {}; booted over {} on network {}.",
        inventory.vendor,
        inventory.product,
        inventory.cpus,
        size(inventory.memory_bytes),
        seen.mac,
        if seen.network.is_empty() { "-" } else { &seen.network },
    ));
    if !seen.conflict.is_empty() {
        text.push_str(&comment(&format!("Mind: {}", seen.conflict)));
    }
    text.push_str(&comment(
        "To have it switched by its BMC, put redfish = {...} or ipmi = {...} in place of manual.",
    ));
    let spec = HostSpec {
        pool: pool.to_owned(),
        identity: Some(HostIdentity {
            boot_mac: seen.mac.clone(),
            serial: inventory.serial,
            uuid: inventory.uuid,
            ..HostIdentity::default()
        }),
        boot: Some(v1::HostBoot {
            mode: inventory.firmware,
            methods: vec!["pxe".into()],
            ..Default::default()
        }),
        driver: Some(Driver::Manual(v1::ManualDriver::default())),
        ..HostSpec::default()
    };
    let resource = unique(names, &name);
    text.push_str(&resource_of(&resource, &name, &spec));
    text
}

/// A name that an object may have, of its serial number or else its MAC.
fn name_of(serial: &str, mac: &str) -> String {
    let mut name = String::new();
    for letter in serial.to_lowercase().chars().take(63) {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    match name.trim_matches('-') {
        "" => format!("mac-{}", mac.replace(':', "")),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, pool: &str) -> Host {
        let key = v1::Key { name: name.into(), ..v1::Key::default() };
        let spec = HostSpec {
            pool: pool.into(),
            driver: Some(Driver::Manual(v1::ManualDriver::default())),
            on_destroy: "forget".into(),
            boot: Some(v1::HostBoot {
                mode: "uefi".into(),
                methods: vec!["pxe".into()],
                ..Default::default()
            }),
            ..HostSpec::default()
        };
        let meta = v1::Meta { key: Some(key), ..v1::Meta::default() };
        Host { meta: Some(meta), spec: Some(spec), ..Host::default() }
    }

    #[test]
    fn hosts_are_imported_by_name_and_each_resource_has_its_own() {
        let text =
            configuration(&[host("a.1", "lab"), host("a_1", "lab"), host("b", "other")], &[], Some("lab"));
        assert!(text.starts_with("import {\n  to = underlay_host.a_1\n  id = \"name/a.1\"\n}\n"), "{text}");
        assert!(text.contains("to = underlay_host.a_1_2\n"), "{text}");
        assert!(!text.contains("\"b\"") && text.matches("resource ").count() == 2, "{text}");
    }

    #[test]
    fn a_machine_that_nobody_enrolled_is_a_host_to_be_made() {
        let inventory = v1::Inventory {
            serial: "UL 42\"".into(),
            vendor: "Acme\n}".into(),
            firmware: "bios".into(),
            ..v1::Inventory::default()
        };
        let seen = Discovered {
            mac: "52:54:00:00:00:01".into(),
            inventory: Some(inventory),
            ..Discovered::default()
        };
        let text = configuration(&[], &[seen], None);
        assert!(text.starts_with("# Acme }") && !text.contains("import"), "{text}");
        assert!(text.contains("name = \"ul-42\"\n"), "{text}");
        assert!(
            text.contains("serial   = \"UL 42\\\"\"\n") && text.contains("mode    = \"bios\"\n"),
            "{text}"
        );
    }

    #[test]
    fn a_host_has_the_block_of_its_driver() {
        let redfish = RedfishDriver {
            address: "https://10.0.9.1".into(),
            credential: "bmc".into(),
            tls: "ca".into(),
            ca_pem: "-----BEGIN\nAA\n".into(),
            ..RedfishDriver::default()
        };
        let ipmi = v1::IpmiDriver { address: "10.0.9.2".into(), credential: "bmc".into(), cipher_suite: 3 };
        let none = Driver::None(v1::NoDriver {});
        for (driver, expected) in [
            (Driver::Redfish(redfish), "  redfish = {\n    address    = \"https://10.0.9.1\"\n"),
            (Driver::Ipmi(ipmi), "    cipher_suite = 3\n"),
            (none, "  none      = {}\n"),
        ] {
            let spec = HostSpec { driver: Some(driver), ..HostSpec::default() };
            let text = resource_of("a", "a", &spec);
            assert!(text.contains(expected), "{text}");
        }
    }
}
