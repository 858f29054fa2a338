//! A Terraform working directory with machines, or with as many `terraform_data` that hold the same values.

use std::{error::Error, fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    measure::process::{self, Cost},
    rack::{SHA256, SSH_KEY},
    server::Server,
};

const PROVIDER: &str = "terraform-provider-underlay";

/// What the directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `underlay_machine`.
    Machines,
    /// `terraform_data`, which is built into Terraform, with what is written of a machine as its `input`.
    Written,
    /// The same with all the values that the state has of a machine; see [`Workspace::values`].
    Held(String),
}

/// A working directory.
#[derive(Debug)]
pub struct Workspace {
    directory: TempDir,
    kind: Kind,
    count: usize,
    endpoint: String,
}

impl Workspace {
    /// A directory that plans `count` new objects.
    pub fn new(kind: Kind, count: usize, server: &Server, provider: &Path) -> Result<Self, Box<dyn Error>> {
        let workspace = Self {
            directory: TempDir::with_prefix("underlay-bench-")?,
            kind,
            count,
            endpoint: server.endpoint(),
        };
        let folder = provider.parent().ok_or("the provider lies in no folder")?.display().to_string();
        let overrides = ["registry.terraform.io", "registry.opentofu.org"]
            .map(|registry| format!("    \"{registry}/underlay/underlay\" = \"{folder}\"\n"))
            .concat();
        workspace.write(
            "cli.tfrc",
            &format!("provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n"),
        )?;
        workspace.write("main.tf", &configuration(&workspace.kind, count, "new", "spare"))?;
        Ok(workspace)
    }

    /// Brings the objects into the state: machines by importing the ready ones of the server.
    pub fn settle(&self) -> Result<(), Box<dyn Error>> {
        self.write("main.tf", &configuration(&self.kind, self.count, "m", "h"))?;
        if self.kind == Kind::Machines {
            self.write("import.tf", &import(self.count))?;
        }
        self.terraform(&["apply", "-auto-approve"])?;
        if self.kind == Kind::Machines {
            fs::remove_file(self.directory.path().join("import.tf"))?;
        }
        // Fails unless there is nothing to change: else what is measured would be something else.
        self.terraform(&["plan", "-detailed-exitcode"])?;
        Ok(())
    }

    /// What the state holds of the first machine and is not null, as an expression in which its number is the count's.
    pub fn values(&self) -> Result<String, Box<dyn Error>> {
        let state: Value =
            serde_json::from_str(&fs::read_to_string(self.directory.path().join("terraform.tfstate"))?)?;
        let first = state.pointer("/resources/0/instances/0/attributes").and_then(Value::as_object);
        let mut held = first.ok_or("the state holds no machine")?.clone();
        held.retain(|_, value| !value.is_null());
        Ok(serde_json::to_string_pretty(&held)?.replace("-0\"", "-${count.index}\""))
    }

    /// Bytes of state for each object.
    pub fn state_size(&self) -> std::io::Result<f64> {
        Ok(fs::metadata(self.directory.path().join("terraform.tfstate"))?.len() as f64 / self.count as f64)
    }

    /// Runs it once.
    pub fn terraform(&self, arguments: &[&str]) -> Result<Cost, Box<dyn Error>> {
        let program = std::env::var("TF_BIN").unwrap_or_else(|_| "terraform".to_owned());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(["-input=false", "-no-color"])
            .current_dir(self.directory.path())
            .env("TF_CLI_CONFIG_FILE", self.directory.path().join("cli.tfrc"))
            .env("UNDERLAY_ENDPOINT", &self.endpoint)
            .env("CHECKPOINT_DISABLE", "1");
        let watched = (self.kind == Kind::Machines).then_some(PROVIDER);
        let (cost, _) = process::run(&mut command, watched)?;
        if self.kind == Kind::Machines && cost.peak == 0 {
            return Err("the memory of the provider was never seen".into());
        }
        Ok(cost)
    }

    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.directory.path().join(name), text)
    }
}

fn import(count: usize) -> String {
    format!(
        r#"import {{
  for_each = {{ for n in range({count}) : tostring(n) => n }}
  to       = underlay_machine.m[each.value]
  id       = "name/m-${{each.key}}"
}}
"#
    )
}

/// `count` keys and not `for_each`, under which Terraform itself takes ten times as long for a thousand and hides all else.
fn configuration(kind: &Kind, count: usize, name: &str, host: &str) -> String {
    let values = format!(
        r#"    name     = "{name}-${{count.index}}"
    host     = "{host}-${{count.index}}"
    image    = "debian-12@sha256:{SHA256}"
    ssh_keys = ["{SSH_KEY}"]
"#
    );
    let data = |input: &str| {
        format!("resource \"terraform_data\" \"m\" {{\n  count = {count}\n  input = {input}\n}}\n")
    };
    match kind {
        Kind::Machines => format!(
            r#"terraform {{
  required_providers {{
    underlay = {{ source = "underlay/underlay" }}
  }}
}}
resource "underlay_machine" "m" {{
    count    = {count}
{values}}}
"#
        ),
        Kind::Written => data(&format!("{{\n{values}  }}")),
        Kind::Held(values) => data(values),
    }
}
