//! `underlay import --hcl` beside the real terraform: what it prints is read as what was meant, whatever the names and
//! labels hold, and the plan after the import is empty.

use std::collections::HashMap;

use underlay_proto::v1::{self as pb, host_spec::Driver};
use underlay_tests::{Server, Terraform, rack::client::Client};

fn spec(driver: Driver, number: u8, labels: &[(&str, &str)]) -> pb::HostSpec {
    let identity = pb::HostIdentity {
        boot_mac: format!("52:54:00:00:00:{number:02x}"),
        serial: format!("SN \"{number}\" ${{x}} %{{y}} \\"),
        uuid: format!("6f1c7c1e-6d0a-4b8e-9b57-0c9a3e5d1f{number:02x}"),
        ..Default::default()
    };
    pb::HostSpec {
        pool: "lab".into(),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        identity: Some(identity),
        boot: Some(pb::HostBoot { mode: "bios".into(), methods: vec!["pxe".into()], ..Default::default() }),
        driver: Some(driver),
        on_destroy: "forget".into(),
        ..pb::HostSpec::default()
    }
}

fn hosts() -> HashMap<&'static str, pb::HostSpec> {
    let manual = || Driver::Manual(pb::ManualDriver::default());
    let qemu = pb::QemuDriver {
        cpus: 2,
        memory_bytes: 1536 << 20,
        disk_bytes: vec![4 << 30, 512 << 20],
        forward: vec![22],
        ..pb::QemuDriver::default()
    };
    let nasty = [
        ("plain", "yes"),
        ("a.b/c", "${file(\"/etc/passwd\")}"),
        ("true", "$${x} $$${y} %%{if} %{for} $ % $$ %%"),
        ("quoted \"\\", "tab and ü ✓ \\n"),
    ];
    HashMap::from([
        ("7f3kz12", spec(manual(), 1, &nasty)),
        ("r.1", spec(manual(), 2, &[])),
        ("r_1", spec(manual(), 3, &[("rack", "1")])),
        ("local", spec(Driver::Qemu(qemu), 4, &[])),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_imports_every_host_and_plans_nothing() {
    let server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    let client = Client::new(server.data().join("api.sock"));
    for (name, spec) in hosts() {
        client.put_host(name, spec).await.unwrap();
    }
    let text = server.operate(&["import", "--hcl"]);
    assert_eq!(text.matches("import {").count(), 4, "{text}");
    assert!(!server.operate(&["import", "--hcl", "--pool", "other"]).contains("import {"));
    terraform.configure(&text);
    // As Terraform itself would write it, and as it reads it.
    let formatted = terraform.run(&["fmt", "-check", "-diff"]);
    assert_eq!(formatted.code, Some(0), "{}", formatted.text);
    terraform.plan().expect(2).says("Plan: 4 to import, 0 to add, 0 to change, 0 to destroy.");
    terraform.apply().expect(0).says("4 imported, 0 added, 0 changed, 0 destroyed");
    terraform.plan().expect(0);
    let state: serde_json::Value = serde_json::from_str(&terraform.state()).unwrap();
    let labels = state.to_string();
    assert!(labels.contains(r#"$${x} $$${y} %%{if} %{for} $ % $$ %%"#), "{labels}");
}
