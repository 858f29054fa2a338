use std::io::Read;

use underlay_core::machine::{Address, Network, Redeploy, RootHint, Spec, Vlan, WaitFor};

use super::*;

fn spec() -> Spec {
    Spec {
        hostname: "web-0.example.net".into(),
        image: format!("debian@sha256:{}", "a".repeat(64)),
        host: "lab-1".into(),
        root: RootHint::default(),
        network: None,
        ssh_keys: vec!["ssh-ed25519 AAAA ops\n".into()],
        user_data_digest: None,
        allow_disruption: underlay_core::machine::Disruption::Reboot,
        redeploy: Redeploy::default(),
        wait_for: WaitFor::Booted,
    }
}

fn content<'a>(spec: &'a Spec, user_data: Option<&'a SecretString>) -> Content<'a> {
    Content {
        instance: "i-1".into(),
        spec,
        boot_mac: Some(Mac([0x52, 0x54, 0, 0, 0, 1])),
        user_data,
        phone_home: "http://10.0.2.2:7480/v1/phone-home/t0ken".to_owned().into(),
    }
}

fn read(volume: Vec<u8>, name: &str) -> String {
    let file_system =
        fatfs::FileSystem::new(std::io::Cursor::new(volume), fatfs::FsOptions::new()).expect("a FAT");
    assert_eq!(file_system.volume_label(), "CIDATA");
    let mut text = String::new();
    file_system.root_dir().open_file(name).expect(name).read_to_string(&mut text).expect("text");
    text
}

#[test]
fn the_users_own_data_arrives_unchanged() {
    let spec = spec();
    let user_data: SecretString = "#!/bin/sh\necho hello\n".to_owned().into();
    let volume = image(&content(&spec, Some(&user_data)), 512).expect("a seed");
    assert_eq!(read(volume, "user-data"), "#!/bin/sh\necho hello\n");
}

#[test]
fn the_call_home_and_the_name_stand_in_vendor_data() {
    let spec = spec();
    let text = read(image(&content(&spec, None), 4096).expect("a seed"), "vendor-data");
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    assert!(text.contains("/v1/phone-home/t0ken"), "{text}");
    assert!(text.contains("fqdn: web-0.example.net"), "{text}");
}

#[test]
fn without_a_network_the_boot_nic_asks_dhcp() {
    let text = network::config(None, Some(Mac([0x52, 0x54, 0, 0, 0, 1]))).expect("yaml");
    let value: serde_json::Value = serde_saphyr::from_str(&text).expect("yaml");
    assert_eq!(value["version"], 2);
    assert_eq!(value["ethernets"]["boot"]["dhcp4"], true);
    assert_eq!(value["ethernets"]["boot"]["match"]["macaddress"], "52:54:00:00:00:01");
}

#[test]
fn a_static_address_rides_on_a_tagged_vlan() {
    let address = Address {
        cidrs: vec!["10.2.0.10/24".parse().expect("cidr")],
        gateway: Some("10.2.0.1".parse().expect("address")),
        dhcp: None,
    };
    let network = Network {
        vlans: [("v220".to_owned(), Vlan { link: "boot".into(), id: 220, mtu: None })].into(),
        addresses: [("v220".to_owned(), address)].into(),
        ..Network::default()
    };
    let text = network::config(Some(&network), Some(Mac([0x52, 0x54, 0, 0, 0, 1]))).expect("yaml");
    let value: serde_json::Value = serde_saphyr::from_str(&text).expect("yaml");
    assert_eq!(value["vlans"]["v220"]["id"], 220);
    assert_eq!(value["vlans"]["v220"]["link"], "boot");
    assert_eq!(value["vlans"]["v220"]["addresses"][0], "10.2.0.10/24");
    assert_eq!(value["vlans"]["v220"]["routes"][0]["via"], "10.2.0.1");
    assert_eq!(value["ethernets"]["boot"]["match"]["macaddress"], "52:54:00:00:00:01");
    assert_eq!(value["ethernets"]["boot"]["dhcp4"], false);
}

#[test]
fn user_data_beyond_the_limit_is_refused_by_size() {
    let spec = spec();
    let user_data: SecretString = "x".repeat(USER_DATA_LIMIT + 1).into();
    assert!(matches!(image(&content(&spec, Some(&user_data)), 512), Err(Error::TooLarge { .. })));
}
