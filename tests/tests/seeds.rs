//! The seeds that are made for Ignition, Anaconda and Debian's installer, read by the programs that those projects check their
//! own with; and the script that installers run, run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use underlay_core::{
    Mac, SecretString,
    image::SeedFormat,
    machine::{self, Address, Bond, Dns, Network, Vlan},
};
use underlay_metal::seed::{Attributes, Content, File, documents};

/// A program of the level `seeds` of scripts/setup.sh; where it is not there the test is skipped, in CI it fails.
fn program(of_the_cache: &str) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap()).join(".cache")).join("underlay");
    let (folder, program) = of_the_cache.split_once('*').unwrap();
    let (folder, prefix) = folder.rsplit_once('/').unwrap();
    let found = fs::read_dir(cache.join(folder)).ok().and_then(|entries| {
        let mut paths = entries.flatten().map(|entry| entry.path());
        paths.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
    });
    let found = found.map(|found| found.join(program.trim_start_matches('/'))).filter(|path| path.exists());
    assert!(
        found.is_some() || env::var("CI").as_deref() != Ok("true"),
        "CI must run this: scripts/setup.sh seeds"
    );
    if found.is_none() {
        eprintln!("skipped: {of_the_cache} is not there; run: scripts/setup.sh seeds");
    }
    found
}

fn network() -> Network {
    let address = |cidr: &str, gateway: Option<&str>| Address {
        cidrs: vec![cidr.parse().unwrap()],
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        dhcp: None,
    };
    Network {
        bonds: [(
            "bond0".into(),
            Bond { nics: vec!["eno1".into(), "eno2".into()], mode: "802.3ad".into(), mtu: Some(9000) },
        )]
        .into(),
        vlans: [("v220".into(), Vlan { link: "bond0".into(), id: 220, mtu: None })].into(),
        addresses: [
            ("v220".into(), address("10.2.0.10/24", Some("10.2.0.1"))),
            ("boot".into(), Address { cidrs: Vec::new(), gateway: None, dhcp: Some(true) }),
        ]
        .into(),
        dns: Dns { servers: vec!["10.0.0.53".parse().unwrap()], search: vec!["example.net".into()] },
    }
}

fn attributes() -> Attributes {
    let file = File {
        path: "/etc/app's/a b.conf".into(),
        content: SecretString::from("KEY='s3cret'\n%end\n\"\\n\n".to_owned()),
        mode: "0640".into(),
        owner: "root:root".into(),
    };
    Attributes {
        values: [("ntp.servers".to_owned(), serde_json::json!(["10.0.0.1"]))].into(),
        secrets: [("key".to_owned(), SecretString::from("\"s3cret\"".to_owned()))].into(),
        files: vec![file],
    }
}

/// The one document of a seed.
fn made(format: SeedFormat, network: Option<Network>, user_data: &str) -> String {
    let spec = machine::Spec {
        hostname: "web-0.example.net".into(),
        image: String::new(),
        host: None,
        require: None,
        spread: None,
        root: machine::RootHint::default(),
        volumes: Default::default(),
        network,
        ssh_keys: vec!["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIm ops@example.net\n".into()],
        user_data_digest: None,
        profiles: vec!["base".into()],
        values: Default::default(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: machine::Disruption::Reboot,
        redeploy: machine::Redeploy::default(),
        wait_for: machine::WaitFor::Booted,
    };
    let user_data = SecretString::from(user_data.to_owned());
    let attributes = attributes();
    let content = Content {
        instance: "0190-17".into(),
        spec: &spec,
        boot_mac: Some(Mac([0x52, 0x54, 0, 0, 0, 1])),
        user_data: Some(&user_data),
        phone_home: SecretString::from("http://10.0.0.2:7480/v1/phone-home/t0ken".to_owned()),
        volumes: &Default::default(),
        attributes: &attributes,
    };
    let mut files = documents(&content, format).unwrap().files;
    assert_eq!(files.len(), 1);
    files.remove(0).1
}

fn reads(program: &Path, arguments: &[&str], text: &str, name: &str) -> Output {
    let directory = TempDir::with_prefix("underlay-seed-").unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    Command::new(program).args(arguments).arg(&path).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn ignition_takes_its_seed_without_a_word() {
    let Some(validate) = program("ignition-validate/*/validate") else { return };
    let own = r#"{"ignition":{"version":"3.2.0"},"storage":{"files":[{"path":"/etc/mine","contents":{"source":"data:,mine"}}]}}"#;
    for network in [None, Some(network())] {
        let config = made(SeedFormat::Ignition, network, own);
        let output = reads(&validate, &[], &config, "config.ign");
        assert!(output.status.success() && said(&output).trim().is_empty(), "{}\n{config}", said(&output));
    }
    // The validator is not one that takes anything.
    let spoiled = made(SeedFormat::Ignition, None, own).replace("\"enabled\":true", "\"enabled\":\"yes\"");
    assert!(!reads(&validate, &[], &spoiled, "config.ign").status.success());
}

#[test]
fn anaconda_takes_its_kickstart_file() {
    let Some(python) = program("venv/kickstart-*/bin/python") else { return };
    // By its path, because the program itself names a Python where the venv was made.
    let ksvalidator = python.with_file_name("ksvalidator").display().to_string();
    let own = "text\nlang en_US.UTF-8\nrootpw --lock\nclearpart --all --initlabel\nautopart\n%packages\n@core\n%end\n";
    for network in [None, Some(network())] {
        let file = made(SeedFormat::Kickstart, network, own);
        let output = reads(&python, &[&ksvalidator, "--version", "RHEL9"], &file, "ks.cfg");
        assert!(output.status.success(), "{}\n{file}", said(&output));
    }
    let spoiled = made(SeedFormat::Kickstart, None, own).replace("--hostname=", "--host-name=");
    assert!(!reads(&python, &[&ksvalidator, "--version", "RHEL9"], &spoiled, "ks.cfg").status.success());
}

#[test]
fn debians_installer_takes_its_preconfiguration_file() {
    let file = made(SeedFormat::Preseed, None, "d-i debian-installer/locale string en_US\n");
    let checker = Path::new("/usr/bin/debconf-set-selections");
    let output = reads(checker, &["--checkonly"], &file, "preseed.cfg");
    assert!(output.status.success() && said(&output).trim().is_empty(), "{}\n{file}", said(&output));
    let spoiled = reads(
        checker,
        &["--checkonly"],
        &file.replace("d-i netcfg/hostname string", "d-i netcfg/hostname"),
        "p",
    );
    assert!(!said(&spoiled).trim().is_empty() || !spoiled.status.success());
}

#[test]
fn what_an_installer_runs_puts_everything_where_it_belongs() {
    let file = made(SeedFormat::Preseed, None, "d-i debian-installer/locale string en_US\n");
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix("d-i preseed/late_command string in-target "))
        .unwrap();
    // The installed system is a directory: paths are made its, and what only root or systemd does is noted.
    let root = TempDir::with_prefix("underlay-target-").unwrap();
    let (at, bin) = (root.path().display().to_string(), root.path().join("bin"));
    fs::create_dir(&bin).unwrap();
    for name in ["chown", "systemctl"] {
        let script = format!("#!/bin/sh\necho {name} \"$@\" >>{at}/calls\n");
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let encoded = line.split("echo ").nth(1).unwrap().split(" |").next().unwrap();
    let decoded = Command::new("sh").args(["-c", &format!("echo {encoded} | base64 -d")]).output().unwrap();
    let script = String::from_utf8(decoded.stdout).unwrap();
    let moved = script.replace("/etc/", &format!("{at}/etc/")).replace("/root/", &format!("{at}/root/"));
    let moved = moved.replace("'/etc", &format!("'{at}/etc"));
    let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
    let output = Command::new("sh").args(["-c", &moved]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}\n{moved}", said(&output));
    let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(read("etc/app's/a b.conf"), "KEY='s3cret'\n%end\n\"\\n\n");
    assert!(read("etc/underlay/secrets.json").contains("s3cret"));
    assert!(
        read("etc/underlay/phone-home.curl").contains("url = \"http://10.0.0.2:7480/v1/phone-home/t0ken\"")
    );
    assert!(read("root/.ssh/authorized_keys").starts_with("ssh-ed25519 "));
    assert!(
        !read("etc/systemd/system/underlay-phone-home.service").contains("t0ken"),
        "a unit is for everybody to read"
    );
    assert!(read("calls").contains("systemctl enable underlay-phone-home.service"));
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("etc/underlay/phone-home.curl"), mode("etc/app's/a b.conf")), (0o600, 0o640));
}
