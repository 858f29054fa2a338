//! A machine that does not get ready, and the gate behind it. Its host's BMC is nowhere, so nothing is ever switched on.

use underlay_tests::{Server, Terraform, Web};

use crate::image;

const MACHINE: &str = r#"
resource "underlay_credential" "bmc" {
  name                = "bmc"
  username            = "root"
  password_wo         = "secret"
  password_wo_version = 1
}
resource "underlay_host" "far" {
  name       = "far-1"
  identity   = { boot_mac = "52:54:00:00:00:01" }
  redfish    = { address = "https://127.0.0.1:9", credential = underlay_credential.bmc.name }
  on_destroy = "forget"
  timeouts   = { create = "1s", update = "1s" }
}
resource "underlay_machine" "web" {
  name     = "web-0"
  host     = underlay_host.far.name
  image    = underlay_image.debian.id
  timeouts = { create = "1s", update = "1s" }
}
resource "underlay_ready" "web" {
  machines = [underlay_machine.web.id]
  timeout  = "1s"
}
resource "terraform_data" "dependent" {
  depends_on = [underlay_ready.web]
}
"#;

#[test]
fn the_gate_stays_closed_the_machine_untainted_and_all_of_it_can_be_destroyed() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    terraform.configure(&format!("{}{MACHINE}", image(&url, &sha256, "")));
    let run = terraform.apply().expect(1);
    let run = run.says("Warning: host far-1 is not available").says("Warning: machine web-0 is not ready");
    run.says("Error: Not ready: web-0").says("underlay explain machine/web-0");
    let state = terraform.state();
    assert!(!state.contains("\"status\": \"tainted\""), "{state}");
    assert!(!state.contains("underlay_ready"), "{state}");
    assert!(!state.contains("terraform_data"), "{state}");

    terraform.plan().expect(2).says("2 to add, 2 to change, 0 to destroy");
    terraform.apply().expect(1).says("Error: host far-1 is not available");
    assert!(!terraform.state().contains("\"status\": \"tainted\""));
    assert_eq!(server.names("machines"), ["web-0"]);

    terraform.destroy().expect(0);
    for kinds in ["machines", "hosts", "images", "credentials"] {
        assert!(server.names(kinds).is_empty(), "{kinds} are left over");
    }
}
