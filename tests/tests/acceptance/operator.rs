//! Hosts, networks, credentials, images: created, changed, imported, destroyed.

use underlay_tests::{Server, Terraform, Web};

use crate::{image, lab};

const NETWORK: &str = r#"
resource "underlay_network" "boot" {
  name         = "boot"
  cidr         = "10.12.0.0/22"
  gateway      = "10.12.0.1"
  dns          = ["10.12.0.1"]
  reservations = { "52:54:00:AA:BB:CC" = "10.12.0.9" }
  dhcp         = { mode = "off", range = "10.12.1.0-10.12.3.250", lease = "90m" }
}
"#;

#[test]
fn the_operators_side_lives_and_dies() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &vec![7; 1 << 20]);
    let all = |host: &str| format!("{NETWORK}{}{}", lab(host), image(&url, &sha256, ""));
    terraform.configure(&all("labels = { rack = \"r1\" }"));
    terraform.plan().expect(2).says(&format!("debian@sha256:{sha256}")).says("Plan: 3 to add");
    terraform.apply().expect(0).says("3 added, 0 changed, 0 destroyed");
    terraform.plan().expect(0);
    assert_eq!(terraform.attribute("underlay_host", "phase"), "available");
    assert_eq!(terraform.attribute("underlay_image", "phase"), "ready");

    terraform.configure(&all("pool = \"lab\""));
    terraform.plan().expect(2).says("0 to add, 1 to change, 0 to destroy");
    terraform.apply().expect(0);
    terraform.plan().expect(0);

    terraform.destroy().expect(0).says("3 destroyed");
    for kinds in ["hosts", "networks", "images"] {
        assert!(server.names(kinds).is_empty(), "{kinds} are left over");
    }
}

#[test]
fn a_new_image_keeps_its_name_and_changes_its_id_in_place() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (a, b) = (web.put("a.raw", &[1; 4096]), web.put("b.raw", &[2; 4096]));
    terraform.configure(&image(&a.0, &a.1, ""));
    terraform.apply().expect(0);
    terraform.configure(&image(&b.0, &b.1, ""));
    terraform.plan().expect(2).says("will be updated in-place").says(&format!("debian@sha256:{}", b.1));
    terraform.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    terraform.plan().expect(0);
}

#[test]
fn what_is_there_is_imported_and_the_plan_is_empty() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    let identity = "identity = { serial = \"ABC-1\", uuid = \"4C4C4544-0042-3510-8052-B4C04F4E4D32\" }";
    terraform.configure(&format!("{NETWORK}{}{}", lab(identity), image(&url, &sha256, "")));
    terraform.apply().expect(0);
    let mac = format!("mac/{}", terraform.attribute("underlay_host", "boot_mac"));
    let id = terraform.attribute("underlay_host", "id");
    for host in
        ["name/lab-1", "lab-1", "serial/ABC-1", "uuid/4c4c4544-0042-3510-8052-b4c04f4e4d32", &mac, &id]
    {
        terraform.forget();
        terraform.run(&["import", "-no-color", "underlay_host.lab", host]).expect(0);
        terraform.run(&["import", "-no-color", "underlay_network.boot", "name/boot"]).expect(0);
        terraform.run(&["import", "-no-color", "underlay_image.debian", "debian"]).expect(0);
        // The spelling of upper-case digits is not known to the server: at most that is written anew, once.
        terraform.apply().expect(0).says("0 added").says("0 destroyed");
        terraform.plan().expect(0);
        assert_eq!(terraform.attribute("underlay_host", "id"), id);
    }
    terraform.run(&["import", "-no-color", "underlay_host.other", "name/lab-1"]).expect(1);
}

#[test]
fn a_protected_host_is_kept() {
    let server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    terraform.configure(&lab("protected = true"));
    terraform.apply().expect(0);
    terraform.destroy().expect(1).says("host lab-1 is protected").says("write protected = false");
    assert_eq!(server.names("hosts"), ["lab-1"]);
    terraform.configure(&lab(""));
    terraform.apply().expect(0);
    terraform.destroy().expect(0);
}

#[test]
fn what_is_wrong_is_said_at_plan_and_at_its_line() {
    let server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    terraform.configure("resource \"underlay_host\" \"lab\" {\n  name = \"lab-1\"\n}");
    terraform.plan().expect(1).says("exactly one of redfish, ipmi, qemu, manual and none = {...}");
    terraform.configure(
        "resource \"underlay_host\" \"lab\" {\n  name = \"lab-1\"\n  qemu = { cpus = 1, memory = \"1 gig\", disks = [] }\n}",
    );
    terraform.plan().expect(1).says("qemu.memory").says("must be a size such as \"4GiB\"");
    terraform.configure(
        "resource \"underlay_host\" \"lab\" {\n  name = \"lab-1\"\n  qemu = { cpus = 1, memory = \"1KiB\", disks = [] }\n}",
    );
    terraform.plan().expect(1).says("use 256MiB to 1TiB").says("on main.tf line 8");
    terraform.configure(
        "resource \"underlay_machine\" \"web\" {\n  name = \"web-0\"\n  host = \"nobody\"\n  image = \"debian@sha256:aa\"\n}",
    );
    terraform.plan().expect(1).says("must be an image's id").says("on main.tf line 9");
}

#[test]
fn data_sources_show_what_stands_now() {
    let server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    let query = r#"
data "underlay_host" "lab" {
  name = underlay_host.lab.name
}
data "underlay_hosts" "lab" {
  labels     = { rack = "r1" }
  depends_on = [underlay_host.lab]
}
output "power" {
  value = data.underlay_host.lab.power
}
output "found" {
  value = join(",", data.underlay_hosts.lab.hosts[*].name)
}
"#;
    terraform.configure(&format!("{}{query}", lab("labels = { rack = \"r1\" }")));
    terraform.apply().expect(0).says("found = \"lab-1\"");
    terraform.run(&["output", "-raw", "power"]).expect(0).says("off");
    terraform.plan().expect(0);
}
