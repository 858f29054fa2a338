//! A canary that must turn up nowhere: not in state, plan, output or log of Terraform, of the provider, or of the server,
//! and not in the server's data in the clear.

use std::{fs, path::Path};

use underlay_tests::{Server, Terraform};

const CANARY: &str = "canary-9b1f4c";

const LOGIN: &str = r#"
variable "password" {
  type      = string
  ephemeral = true
}
resource "underlay_credential" "bmc" {
  name                = "bmc"
  username            = "root"
  password_wo         = var.password
  password_wo_version = 1
}
"#;

#[test]
fn a_password_turns_up_nowhere() {
    let server = Server::start();
    let Some(terraform) = Terraform::new(&server) else { return };
    let log = terraform.directory().join("provider.log").display().to_string();
    let terraform =
        terraform.with("TF_VAR_password", CANARY).with("TF_LOG_PROVIDER", "trace").with("TF_LOG_PATH", log);
    terraform.configure(LOGIN);
    let plan = terraform.run(&["plan", "-no-color", "-out=plan.bin"]).expect(0);
    let shown = terraform.run(&["show", "-json", "plan.bin"]).expect(0);
    let apply = terraform.run(&["apply", "-no-color", "plan.bin"]).expect(0);
    let again = terraform.plan().expect(0);
    for run in [&plan, &shown, &apply, &again] {
        assert!(!run.text.contains(CANARY), "{}", run.text);
    }
    let state = terraform.state();
    assert!(state.contains("underlay_credential"), "{state}");
    search(terraform.directory());
    search(&server.data());
    assert!(!server.log().contains(CANARY));
}

/// Looks into every file.
fn search(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path);
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "the canary is in {}", path.display());
        }
    }
}
