//! Profiles as a user has them: the real Terraform, a real server, simulated machines. What is wrong is said at plan at its
//! line, everything planned together is judged together, values reach the installed system, and no secret is anywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{fs, process::Command};

use underlay_tests::{
    Simulated, Terraform,
    rack::{image::Image, parts},
};

const SECRET: &str = "hunter2-of-the-machine";
const SHARED: &str = "hunter2-of-the-profile";

/// What is said of the estate, part by part.
struct Said<'a> {
    profile_values: &'a str,
    machine: &'a str,
    site: &'a str,
}

impl Said<'_> {
    fn hcl(&self, rack: &Simulated, image: &Image) -> String {
        let machine = &rack.machines()[0];
        let text = |field: &str| machine[field].as_str().unwrap();
        let (name, password, image) = (text("name"), rack.password(), image.spec());
        format!(
            r#"
            resource "underlay_site" "here" {{
              name   = "default"
              values = {{ {site} }}
            }}
            resource "underlay_pool" "general" {{
              name   = "general"
              values = {{ "dns.search" = "pool.example.net", unrelated = [1] }}
            }}
            resource "underlay_credential" "bmc" {{
              name                = "bmc"
              username            = "root"
              password_wo         = "{password}"
              password_wo_version = 1
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
            resource "underlay_profile" "base" {{
              name = "base"
              schema = {{
                "ntp.servers" = {{ type = "list(string)", required = true }}
                "dns.search"  = {{ type = "string" }}
                "mtu"         = {{ type = "number", description = "of every link" }}
                "app.key"     = {{ type = "string", secret = true, required = true }}
                "app.shared"  = {{ type = "string", secret = true }}
              }}
              values                = {{ {profile_values} }}
              secret_values_wo      = {{ "app.shared" = "{SHARED}" }}
              secret_values_version = 1
              files = {{
                "/etc/ntp.conf" = {{ template = "{{{{#ntp.servers}}}}\nserver {{{{.}}}}\n{{{{/ntp.servers}}}}\n" }}
                "/etc/app.env"  = {{ template = "KEY={{{{shell app.key}}}}\n", mode = "0600", owner = "app:app" }}
              }}
            }}
            resource "underlay_machine" "web" {{
              name     = "web"
              image    = underlay_image.os.id
              host     = underlay_host.{name}.name
              profiles = [underlay_profile.base.name]
              {machine}
            }}
            "#,
            site = self.site,
            serial = text("serial"),
            address = text("bmc_address"),
            system = text("system"),
            url = image.url,
            sha256 = image.sha256,
            profile_values = self.profile_values,
            machine = self.machine,
        )
    }
}

fn own(more: &str) -> String {
    format!("secret_values_wo = {{ \"app.key\" = \"{SECRET}\" }}\n secret_values_version = 1\n {more}")
}

fn explain(rack: &Simulated) -> String {
    let mut command = Command::new(parts::underlay().unwrap());
    command.args(["explain", "machine/web", "--values"]);
    command.env("UNDERLAY_ENDPOINT", format!("unix://{}", rack.path("api.sock").display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn pending(terraform: &Terraform) -> Vec<String> {
    let state: serde_json::Value = serde_json::from_str(&terraform.state()).unwrap();
    let machine = state["resources"].as_array().unwrap().iter().find(|it| it["type"] == "underlay_machine");
    let pending = &machine.unwrap()["instances"][0]["attributes"]["pending"];
    serde_json::from_value(pending.clone()).unwrap()
}

#[test]
fn values_are_checked_at_plan_and_injected_by_who_is_closest() {
    let rack = Simulated::start(&["--machines", "1", "--pace", "instant"]);
    let image = Image::make(&rack.images(), "small", 4).unwrap();
    let socket = format!("unix://{}", rack.path("api.sock").display());
    let Some(terraform) = Terraform::at(socket) else { return };
    let own_mtu = own("values = { mtu = 1400 }");
    let good = Said {
        profile_values: "mtu = 9000",
        machine: &own_mtu,
        site: r#""ntp.servers" = ["10.0.0.1", "10.0.0.2"]"#,
    };

    // Nothing of it is there yet, and all that is wrong is said all the same.
    let refused = |said: Said<'_>, what: &str| {
        terraform.configure(&said.hcl(&rack, &image));
        terraform.plan().expect(1).says(what);
    };
    refused(Said { site: "", ..good }, "profile base requires \"ntp.servers\" (list(string))");
    refused(Said { profile_values: "mtu = \"big\"", ..good }, "\"mtu\" is a string and must be number");
    refused(Said { profile_values: "ntu = 9000", ..good }, "\"ntu\" is not in schema");
    refused(Said { site: "\"ntp.servers\" = \"one\"", ..good }, "site default: \"ntp.servers\" is a string");
    refused(Said { machine: "", ..good }, "requires \"app.key\" (string)");
    let open = own("values = { \"app.shared\" = \"in the clear\" }");
    refused(Said { machine: &open, ..good }, "is secret and stands in values");
    let typo = own("values = { mut = 1400 }");
    refused(Said { machine: &typo, ..good }, "declares \"mut\"");
    refused(Said { machine: &own_mtu.replace("secret_values_version = 1", ""), ..good }, "have no version");

    terraform.configure(&good.hcl(&rack, &image));
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    let told = explain(&rack);
    for (name, value, from) in [
        ("ntp.servers", "[\"10.0.0.1\",\"10.0.0.2\"]", "site/default"),
        ("dns.search", "\"pool.example.net\"", "pool/general"),
        ("mtu", "1400", "machine"),
        ("app.key", "(sealed, version 1)", "machine"),
        ("app.shared", "(sealed, version 1)", "profile/base"),
    ] {
        let line = told.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line.contains(value) && line.contains(from), "{name}:\n{told}");
    }

    // It is on the machine, as it was meant.
    let name = rack.machines()[0]["name"].as_str().unwrap().to_owned();
    let files = &rack.machine(&name)["files"];
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    assert_eq!(files["/etc/ntp.conf"]["digest"], digest("server 10.0.0.1\nserver 10.0.0.2\n"), "{files}");
    assert_eq!(files["/etc/app.env"]["digest"], digest(&format!("KEY='{SECRET}'\n")), "{files}");
    assert_eq!(
        (&files["/etc/app.env"]["mode"], &files["/etc/app.env"]["owner"]),
        (&"0600".into(), &"app:app".into())
    );
    assert_eq!(files["/etc/underlay/secrets.json"]["mode"], "0600");
    assert_eq!(files["/etc/underlay/values.json"]["mode"], "0644");

    // The secrets are in no state, no plan, no log, nor in the database.
    let mut places =
        vec![terraform.state(), terraform.plan().text, rack.log("serve.log"), rack.log("rack.log"), told];
    for file in ["underlay.db", "underlay.db-wal"] {
        places.push(
            String::from_utf8_lossy(&fs::read(rack.path("data").join(file)).unwrap_or_default()).into_owned(),
        );
    }
    for place in &places {
        assert!(!place.contains("hunter2"), "a secret stands in the clear");
    }

    // What the operator changes waits, shown, and disrupts nothing; who raises the generation gets it.
    let later = Said { profile_values: "mtu = 9000, \"dns.search\" = \"profile.example.net\"", ..good };
    terraform.configure(&later.hcl(&rack, &image));
    terraform
        .plan()
        .expect(2)
        .says("keep what they were deployed with until their redeploy.generation is raised: web");
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    terraform.run(&["apply", "-refresh-only", "-auto-approve"]).expect(0);
    assert_eq!(pending(&terraform), ["values"]);
    let raised =
        own("values = { mtu = 1400 }\n redeploy = { generation = 2 }\n allow_disruption = \"erase_root\"");
    let raised = Said { machine: &raised, ..later };
    terraform.configure(&raised.hcl(&rack, &image));
    terraform.plan().expect(2).says("will be re-imaged");
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    assert_eq!(pending(&terraform), [""; 0]);
    assert!(explain(&rack).contains("\"profile.example.net\""));

    // A profile is imported by its name.
    terraform.run(&["state", "rm", "underlay_profile.base"]).expect(0);
    terraform.run(&["import", "underlay_profile.base", "name/base"]).expect(0);
    terraform.plan().expect(0);
    terraform.destroy().expect(0);
}
