//! A real Ironic and its `redfish` hardware type, against twenty machines of every model over TLS that is verified: it
//! enrols, inspects, boots and powers them, and what it comes to believe is what the rack knows.
//!
//! Without it (`scripts/setup.sh ironic`) this says so and passes; under `CI=true` it fails.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use underlay_tests::{Ironic, Simulated};

const MODELS: &str = "generic,idrac,ilo,supermicro,openbmc,ami";
/// So many have a machine of each model among them.
const KINDS: usize = 6;
/// Ironic hashes a BMC's password 600,000 times for each thing it asks of it, which is a third of a CPU-second.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_real_ironic_enrols_inspects_boots_and_powers_twenty_machines() {
    let Some(venv) = Ironic::installed() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has Ironic");
        eprintln!("skipped: no Ironic; scripts/setup.sh ironic installs it");
        return;
    };
    let arguments = ["--machines", "20", "--model", MODELS, "--pace", "instant", "--bmc-tls"];
    let rack = Simulated::start(&arguments);
    let ironic = Ironic::start(&venv);
    let (all, one_of_each) = (rack.machines(), &rack.machines()[..KINDS]);

    for machine in all {
        let asks_more = one_of_each.contains(machine);
        ironic.call("POST", "/v1/nodes", &node(&rack, machine, asks_more));
    }
    provision(&ironic, all, "manage", "manageable");
    for machine in one_of_each {
        knows_settings_and_firmware(&ironic, machine);
    }

    power(&ironic, &rack, all, "power on", "on");
    provision(&ironic, all, "inspect", "manageable");
    for machine in all {
        believes(&ironic, machine);
    }

    for machine in one_of_each {
        boots_from_the_network(&ironic, machine);
    }
    let before = boots(&rack);
    power(&ironic, &rack, one_of_each, "rebooting", "on");
    for (at, (before, after)) in before.into_iter().zip(boots(&rack)).enumerate() {
        assert_eq!(after - before, u64::from(at < KINDS), "machine {at} booted {before}, then {after} times");
    }

    provision(&ironic, all, "provide", "available");
    power(&ironic, &rack, all, "power off", "off");
}

/// A node for a machine; one of which more is asked costs Ironic twice the time.
fn node(rack: &Simulated, machine: &Value, asks_more: bool) -> Value {
    let interface = |name: &str| if asks_more { "redfish".to_owned() } else { format!("no-{name}") };
    json!({
        "name": machine["name"],
        "driver": "redfish",
        "driver_info": {
            "redfish_address": machine["bmc_address"],
            "redfish_system_id": format!("/redfish/v1/Systems/{}", machine["system"].as_str().unwrap()),
            "redfish_username": "root",
            "redfish_password": rack.password(),
            "redfish_verify_ca": rack.path("rack/bmc-ca.pem"),
        },
        "bios_interface": interface("bios"),
        "firmware_interface": interface("firmware"),
        "inspect_interface": "redfish",
        "vendor_interface": "no-vendor",
    })
}

/// Asks for a verb of all nodes at once, and waits for where it leads.
fn provision(ironic: &Ironic, machines: &[Value], verb: &str, state: &str) {
    for machine in machines {
        ironic.call("PUT", &path(machine, "states/provision"), &json!({ "target": verb }));
    }
    ironic.when(&format!("{verb} is done"), PATIENCE, |node| node["provision_state"] == state);
}

/// Switches machines, and asks the rack whether they are; Ironic has waited for what their BMCs say.
fn power(ironic: &Ironic, rack: &Simulated, machines: &[Value], target: &str, power: &str) {
    for machine in machines {
        ironic.call("PUT", &path(machine, "states/power"), &json!({ "target": target }));
    }
    let state = format!("power {power}");
    ironic.when(&format!("{target} is done"), PATIENCE, |node| {
        node["target_power_state"].is_null() && node["power_state"] == *state
    });
    let shown = shown(rack);
    assert!(shown.iter().all(|machine| machine["power"] == power), "{target}: {shown:#?}");
}

fn knows_settings_and_firmware(ironic: &Ironic, machine: &Value) {
    let settings = ironic.get(&path(machine, "bios"));
    let setting = |name: &str| {
        let list = settings["bios"].as_array().unwrap();
        list.iter().find(|setting| setting["name"] == name).map(|setting| setting["value"].clone())
    };
    assert_eq!(setting("BootMode"), Some("Uefi".into()), "{settings:#}");
    let firmware = ironic.get(&path(machine, "firmware"));
    let found: BTreeSet<&str> = firmware["firmware"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|part| part["component"].as_str())
        .collect();
    let nic = format!("nic:{}N1", machine["serial"].as_str().unwrap());
    assert_eq!(found, BTreeSet::from(["bios", "bmc", &nic]), "{firmware:#}");
}

/// What an inspection has found is what the machine is made of.
fn believes(ironic: &Ironic, machine: &Value) {
    let found = ironic.get(&path(machine, ""));
    let properties = &found["properties"];
    let mib = machine["memory_bytes"].as_u64().unwrap() >> 20;
    let disks = machine["disks"].as_array().unwrap();
    // Ironic leaves a gigabyte for a config drive, and takes the first disk for the root.
    let gib = (disks[0]["size_bytes"].as_u64().unwrap() >> 30) - 1;
    assert_eq!(properties["memory_mb"], mib, "{found:#}");
    assert_eq!(properties["local_gb"], gib, "{found:#}");
    assert_eq!(properties["cpu_arch"], "x86_64", "{found:#}");

    let inspected = ironic.get(&path(machine, "inventory"));
    let place = machine["name"].as_str().unwrap().trim_start_matches("r1u");
    let switch = &inspected["plugin_data"]["parsed_lldp"]["1"];
    assert_eq!(switch["switch_system_name"], "r1-switch", "{inspected:#}");
    assert_eq!(switch["switch_port_id"], format!("Ethernet{place}"), "{inspected:#}");
    let inventory = &inspected["inventory"];
    assert_eq!(inventory["cpu"]["count"], machine["cpus"], "{inventory:#}");
    assert_eq!(inventory["system_vendor"]["serial_number"], machine["serial"], "{inventory:#}");
    assert_eq!(inventory["system_vendor"]["system_uuid"], machine["uuid"], "{inventory:#}");
    let listed = inventory["disks"].as_array().unwrap().iter();
    let listed: Vec<_> = listed.map(|disk| (&disk["size"], &disk["serial"])).collect();
    let there: Vec<_> = disks.iter().map(|disk| (&disk["size_bytes"], &disk["serial"])).collect();
    assert_eq!(listed, there, "{inventory:#}");

    let ports = ironic.get(&format!("/v1/ports?node={}", machine["name"].as_str().unwrap()));
    let set = |list: &Value, of: fn(&Value) -> &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().filter_map(|entry| of(entry).as_str().map(str::to_owned)).collect()
    };
    assert_eq!(set(&ports["ports"], |port| &port["address"]), set(&machine["macs"], |mac| mac), "{ports:#}");
}

fn boots_from_the_network(ironic: &Ironic, machine: &Value) {
    let device = path(machine, "management/boot_device");
    ironic.call("PUT", &device, &json!({ "boot_device": "pxe", "persistent": false }));
    let set = ironic.get(&device);
    // Where `Once` becomes `Continuous`, Ironic sees it.
    let persistent = machine["model"] == "ami";
    assert_eq!(set, json!({ "boot_device": "pxe", "persistent": persistent }), "{machine:#}");
}

fn boots(rack: &Simulated) -> Vec<u64> {
    shown(rack).iter().map(|machine| machine["boots"].as_u64().unwrap()).collect()
}

/// The machines as the rack sees them.
fn shown(rack: &Simulated) -> Vec<Value> {
    serde_json::from_str(&rack.at_the_rack(&["list", "--json"])).unwrap()
}

fn path(machine: &Value, what: &str) -> String {
    let path = format!("/v1/nodes/{}/{what}", machine["name"].as_str().unwrap());
    path.trim_end_matches('/').to_owned()
}
