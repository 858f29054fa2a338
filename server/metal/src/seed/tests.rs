//! What cloud-init is told, byte by byte, and the limits of what fits.

use std::io::Read;

use underlay_core::machine::{Address, Network, Redeploy, RootHint, Spec, Vlan, WaitFor};

use super::*;

fn spec() -> Spec {
    Spec {
        hostname: "web-0.example.net".into(),
        image: format!("debian@sha256:{}", "a".repeat(64)),
        host: Some("lab-1".into()),
        require: None,
        spread: None,
        root: RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: vec!["ssh-ed25519 AAAA ops\n".into()],
        user_data_digest: None,
        profiles: Vec::new(),
        values: Default::default(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: underlay_core::machine::Disruption::Reboot,
        redeploy: Redeploy::default(),
        wait_for: WaitFor::Booted,
    }
}

static NO_VOLUMES: Resolved = Resolved::new();

fn content<'a>(spec: &'a Spec, user_data: Option<&'a SecretString>) -> Content<'a> {
    static NONE: std::sync::LazyLock<Attributes> = std::sync::LazyLock::new(Attributes::default);
    Content {
        attributes: &NONE,
        volumes: &NO_VOLUMES,
        instance: "i-1".into(),
        spec,
        boot_mac: Some(Mac([0x52, 0x54, 0, 0, 0, 1])),
        user_data,
        phone_home: "http://10.0.2.2:7480/v1/phone-home/t0ken".to_owned().into(),
    }
}

fn read(volume: Seed, name: &str) -> String {
    let file_system =
        fatfs::FileSystem::new(std::io::Cursor::new(volume.bytes()), fatfs::FsOptions::new()).expect("a FAT");
    assert_eq!(file_system.volume_label(), "CIDATA");
    let mut text = String::new();
    file_system.root_dir().open_file(name).expect(name).read_to_string(&mut text).expect("text");
    text
}

#[test]
fn the_users_own_data_arrives_unchanged() {
    let spec = spec();
    let user_data: SecretString = "#!/bin/sh\necho hello\n".to_owned().into();
    let volume = image(&content(&spec, Some(&user_data)), SeedFormat::CloudInit, 512).expect("a seed");
    assert_eq!(read(volume, "user-data"), "#!/bin/sh\necho hello\n");
}

#[test]
fn the_call_home_and_the_name_stand_in_vendor_data() {
    let spec = spec();
    let text =
        read(image(&content(&spec, None), SeedFormat::CloudInit, 4096).expect("a seed"), "vendor-data");
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text["#cloud-config\n".len()..]).expect("JSON");
    assert_eq!(value["phone_home"]["url"], "http://10.0.2.2:7480/v1/phone-home/t0ken");
    assert_eq!((&value["hostname"], &value["fqdn"]), (&"web-0".into(), &"web-0.example.net".into()));
}

#[test]
fn without_a_network_the_boot_nic_asks_dhcp() {
    let text = network::config(None, Some(Mac([0x52, 0x54, 0, 0, 0, 1]))).expect("written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["version"], 2);
    assert_eq!(value["ethernets"]["boot"]["dhcp4"], true);
    assert_eq!(value["ethernets"]["boot"]["match"]["macaddress"], "52:54:00:00:00:01");
    assert_eq!(value["ethernets"]["boot"]["set-name"], "boot");
}

#[test]
fn what_yaml_would_take_for_something_else_stays_text() {
    let spec = Spec { hostname: "no".into(), ..spec() };
    let text = read(image(&content(&spec, None), SeedFormat::CloudInit, 512).expect("a seed"), "meta-data");
    assert!(text.contains(r#""local-hostname":"no""#), "{text}");
    let text = network::config(None, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]))).expect("written");
    assert!(text.contains(r#""macaddress":"52:54:00:12:34:56""#), "{text}");
}

#[test]
fn a_bond_takes_its_members_and_the_name_servers() {
    let bond = underlay_core::machine::Bond {
        nics: vec!["eno1".into(), "eno2".into()],
        mode: "802.3ad".into(),
        mtu: Some(9000),
    };
    let address =
        Address { cidrs: vec!["fd00::2/64".parse().expect("cidr")], gateway: None, dhcp: Some(true) };
    let network = Network {
        bonds: [("bond0".to_owned(), bond)].into(),
        addresses: [("bond0".to_owned(), address)].into(),
        dns: underlay_core::machine::Dns {
            servers: vec!["fd00::1".parse().expect("address")],
            search: vec!["example.net".into()],
        },
        ..Network::default()
    };
    let text = network::config(Some(&network), None).expect("written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let bond = &value["bonds"]["bond0"];
    assert_eq!(bond["interfaces"], serde_json::json!(["eno1", "eno2"]));
    assert_eq!(bond["parameters"]["mode"], "802.3ad");
    assert_eq!((&bond["mtu"], &bond["dhcp4"]), (&9000.into(), &true.into()));
    assert_eq!(bond["nameservers"]["search"][0], "example.net");
    assert!(value["ethernets"]["eno1"]["match"].is_null(), "known by its own name");
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
    let text = network::config(Some(&network), Some(Mac([0x52, 0x54, 0, 0, 0, 1]))).expect("written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
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
    assert!(matches!(
        image(&content(&spec, Some(&user_data)), SeedFormat::CloudInit, 512),
        Err(Error::TooLarge { .. })
    ));
}

fn with_a_file() -> Attributes {
    let values = [("ntp".to_owned(), serde_json::json!(["10.0.0.1"]))].into();
    let secrets = [("key".to_owned(), SecretString::from("\"hunter2\"".to_owned()))].into();
    Attributes { values, secrets, files: Vec::new() }
}

fn parts(text: &str) -> Vec<(String, String)> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let bodies =
        text.split("--==underlay").skip(1).filter_map(|part| part.split_once('\n')?.1.split_once("\n\n"));
    let decoded = bodies.map(|(head, body)| {
        let body: String = body.split_whitespace().collect();
        (
            head.to_owned(),
            String::from_utf8_lossy(&BASE64_STANDARD.decode(body).unwrap_or_default()).into_owned(),
        )
    });
    decoded.collect()
}

#[test]
fn files_of_attributes_are_a_part_after_the_users_own() {
    let (spec, attributes) = (spec(), with_a_file());
    let user_data: SecretString = "#cloud-config\nwrite_files: []\n".to_owned().into();
    let content = Content { attributes: &attributes, ..content(&spec, Some(&user_data)) };
    let parts = parts(&read(image(&content, SeedFormat::CloudInit, 512).expect("a seed"), "user-data"));
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert_eq!(parts[0].1, "#cloud-config\nwrite_files: []\n");
    let config = parts[1].1.strip_prefix("#cloud-config\n").expect("a cloud-config");
    let config: serde_json::Value = serde_json::from_str(config).expect("JSON");
    let files = config["write_files"].as_array().expect("files");
    let seen: Vec<_> =
        files.iter().map(|file| (file["path"].as_str(), file["permissions"].as_str())).collect();
    assert_eq!(
        seen,
        [
            (Some("/etc/underlay/values.json"), Some("0644")),
            (Some("/etc/underlay/secrets.json"), Some("0600")),
        ]
    );
}

#[test]
fn user_data_that_is_a_mime_message_becomes_a_part_with_parts() {
    let (spec, attributes) = (spec(), with_a_file());
    let own =
        "Content-Type: multipart/mixed; boundary=\"mine\"\nMIME-Version: 1.0\n\n--mine\n\nx\n--mine--\n";
    let user_data: SecretString = own.to_owned().into();
    let content = Content { attributes: &attributes, ..content(&spec, Some(&user_data)) };
    let text = read(image(&content, SeedFormat::CloudInit, 512).expect("a seed"), "user-data");
    assert!(text.contains(&format!("==\n{own}\n--==")), "{text}");
}

#[test]
fn more_files_than_a_seed_may_hold_are_refused() {
    let file = File {
        path: "/a".into(),
        content: "x".repeat(FILES_LIMIT + 1).into(),
        mode: "0644".into(),
        owner: "root:root".into(),
    };
    let (spec, attributes) = (spec(), Attributes { files: vec![file], ..Attributes::default() });
    let content = Content { attributes: &attributes, ..content(&spec, None) };
    assert!(matches!(image(&content, SeedFormat::CloudInit, 512), Err(Error::Files { .. })));
}
