//! Steps of the shop's own as a user has them: the real Terraform, a real server, simulated machines, webhooks that fail once and
//! are tried again, a server that is killed while one is under way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::json;
use underlay_tests::{
    Simulated, Terraform,
    hooks::{Hooks, Reply},
    rack::{image::Image, parts},
    until,
};

const TOKEN: &str = "hunter2-of-the-webhook";

/// What is said of the estate, part by part.
#[derive(Clone, Copy)]
struct Said<'a> {
    post: &'a str,
    values: &'a str,
    machine: &'a str,
}

impl Said<'_> {
    fn hcl(&self, rack: &Simulated, image: &Image, hooks: &Hooks) -> String {
        let machine = &rack.machines()[0];
        let text = |field: &str| machine[field].as_str().unwrap();
        let (name, password, image) = (text("name"), rack.password(), image.spec());
        format!(
            r#"
            resource "underlay_credential" "bmc" {{
              name                = "bmc"
              username            = "root"
              password_wo         = "{password}"
              password_wo_version = 1
            }}
            resource "underlay_credential" "hooks" {{
              name                = "hooks"
              username            = "underlay"
              password_wo         = "{TOKEN}"
              password_wo_version = 1
            }}
            resource "underlay_step" "check" {{
              name    = "check"
              webhook = {{ url = "{check}", credential = underlay_credential.hooks.name }}
              outputs = {{ slot = {{ type = "number", required = true }} }}
              timeout = "2m"
              retry   = {{ attempts = 2, backoff = "1s" }}
            }}
            resource "underlay_step" "register" {{
              name    = "register"
              webhook = {{ url = "{register}" }}
              inputs = {{
                slot = {{ type = "number", required = true }}
                rack = {{ type = "string", required = true, description = "where it stands" }}
              }}
              values = {{ {values} }}
              retry  = {{ attempts = 2, backoff = "1s" }}
            }}
            resource "underlay_step" "announce" {{
              name    = "announce"
              webhook = {{ url = "{announce}" }}
            }}
            resource "underlay_pool" "general" {{
              name  = "general"
              steps = {{ pre_deploy = [underlay_step.check.name] }}
            }}
            resource "underlay_host" "{name}" {{
              name     = "{name}"
              pool     = underlay_pool.general.name
              identity = {{ serial = "{serial}" }}
              redfish  = {{ address = "{address}", credential = underlay_credential.bmc.name, system = "{system}" }}
            }}
            resource "underlay_image" "os" {{
              name   = "os"
              source = {{ url = "{url}", sha256 = "{sha256}" }}
            }}
            resource "underlay_machine" "web" {{
              name  = "web"
              image = underlay_image.os.id
              host  = underlay_host.{name}.name
              steps = {{ post_deploy = [{post}] }}
              {machine}
            }}
            "#,
            check = hooks.url("/check"),
            register = hooks.url("/register"),
            announce = hooks.url("/announce"),
            values = self.values,
            serial = text("serial"),
            address = text("bmc_address"),
            system = text("system"),
            url = image.url,
            sha256 = image.sha256,
            post = self.post,
            machine = self.machine,
        )
    }
}

fn operate(rack: &Simulated, arguments: &[&str]) -> String {
    let mut command = Command::new(parts::underlay().unwrap());
    command.args(arguments).env("UNDERLAY_ENDPOINT", format!("unix://{}", rack.path("api.sock").display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn deployments(rack: &Simulated) -> u64 {
    let text = operate(rack, &["get", "machine/web", "-o", "json"]);
    let machine: serde_json::Value = serde_json::from_str(&text).unwrap();
    let count = &machine["status"]["deployments"];
    count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or_default()
}

#[test]
fn webhooks_before_and_after_fail_once_and_a_kill_in_between_loses_nothing() {
    let mut rack = Simulated::start(&["--machines", "1", "--pace", "instant"]);
    let image = Image::make(&rack.images(), "small", 4).unwrap();
    let hooks = Hooks::start();
    let socket = format!("unix://{}", rack.path("api.sock").display());
    let Some(terraform) = Terraform::at(socket) else { return };
    let good = Said { post: "underlay_step.register.name", values: "rack = \"r1\"", machine: "" };

    // What a step lacks is said at plan, though nothing of it is there yet.
    terraform.configure(&Said { values: "", ..good }.hcl(&rack, &image, &hooks));
    terraform.plan().expect(1).says("input \"rack\" is given by nobody");
    terraform.configure(&Said { values: "rack = 1", ..good }.hcl(&rack, &image, &hooks));
    terraform.plan().expect(1).says("\"rack\" is a number and must be string");

    let slot = || Reply::Say(200, r#"{"outputs": {"slot": 7}}"#.into());
    hooks.answers("/check", [Reply::Say(500, "no bench is free".into()), slot()]);
    hooks.answers("/register", [Reply::Say(503, "the inventory is down".into())]);
    terraform.configure(&good.hcl(&rack, &image, &hooks));
    terraform.apply().expect(0);
    terraform.plan().expect(0);

    let (checks, registered) = (hooks.calls("/check"), hooks.calls("/register"));
    assert_eq!((checks.len(), registered.len()), (2, 2));
    assert_eq!(checks[0].key, checks[1].key, "one wish, told twice");
    assert_ne!(checks[0].key, registered[0].key);
    assert!(checks[0].authorization.starts_with("Basic "), "{}", checks[0].authorization);
    assert_eq!(checks[0].body["when"], json!("pre_deploy"));
    assert_eq!(checks[0].body["facts"]["serial"], rack.machines()[0]["serial"]);
    let last = &registered[1].body;
    assert_eq!((&last["attempt"], &last["inputs"]), (&json!(2), &json!({"slot": 7, "rack": "r1"})));
    assert!(last["machine"]["address"].is_string(), "{last}");

    let told = operate(&rack, &["explain", "machine/web"]);
    for said in [
        "check (pre_deploy): went well at try 2; try 1: ",
        "answered 500 Internal Server Error: no bench is free; slot = 7",
        "register (post_deploy): went well at try 2",
        "the inventory is down",
    ] {
        assert!(told.contains(said), "{said}:\n{told}");
    }
    let logged = operate(&rack, &["logs", "machine/web"]);
    assert!(
        logged.contains("step check (pre_deploy), try 1:") && logged.contains("step register"),
        "{logged}"
    );

    // Other steps after it are done on what runs, and the plan says so.
    let more = Said { post: "underlay_step.register.name, underlay_step.announce.name", ..good };
    terraform.configure(&more.hcl(&rack, &image, &hooks));
    terraform.plan().expect(2).says("done on the machine as it runs").says("nothing is re-imaged");
    // What a step before the deployment gave is given still.
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    assert_eq!(
        (hooks.calls("/announce").len(), hooks.calls("/register").len(), deployments(&rack)),
        (1, 3, 1)
    );

    // Killed while one is under way: nobody knows whether it was done, and it may be done again.
    hooks.answers("/check", [Reply::Hang, slot()]);
    let again = Said { machine: "redeploy = { generation = 2 }\n allow_disruption = \"erase_root\"", ..more };
    terraform.configure(&again.hcl(&rack, &image, &hooks));
    let mut apply = terraform.command(&["apply", "-no-color", "-auto-approve"]).spawn().unwrap();
    until("the check is under way", || hooks.calls("/check").len() == 3);
    rack.kill_server();
    rack.resume_server();
    let applied = apply.wait().unwrap();
    assert!(applied.code().is_some(), "{applied}");
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    assert_eq!((hooks.calls("/check").len(), deployments(&rack)), (4, 2));
    let told = operate(&rack, &["explain", "machine/web"]);
    assert!(told.contains("nobody knows whether it was done"), "{told}");

    // The login is nowhere.
    let database = std::fs::read(rack.path("data").join("underlay.db")).unwrap();
    let database = String::from_utf8_lossy(&database).into_owned();
    for place in [terraform.state(), rack.log("serve.log"), told, logged, database] {
        assert!(!place.contains(TOKEN), "the login stands in the clear");
    }
    terraform.run(&["destroy", "-no-color", "-auto-approve"]).expect(0);
}
