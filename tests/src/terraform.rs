//! A working directory of the real `terraform`, or of what `TF_BIN` names, with the provider under test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Server, program};

const HEAD: &str =
    "terraform {\n  required_providers {\n    underlay = { source = \"underlay/underlay\" }\n  }\n}\n";

/// A working directory.
pub struct Terraform {
    program: PathBuf,
    directory: TempDir,
    environment: Vec<(String, String)>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub text: String,
}

impl Terraform {
    /// A new working directory for a server; `None`, after saying so, where there is no program to test with.
    ///
    /// # Panics
    /// There is no program, and `CI=true` says that there must be.
    pub fn new(server: &Server) -> Option<Self> {
        Self::at(server.socket())
    }

    /// The same for the server at that endpoint.
    ///
    /// # Panics
    /// There is no program, and `CI=true` says that there must be.
    pub fn at(endpoint: String) -> Option<Self> {
        let terraform = std::env::var_os("TF_BIN").map_or_else(|| PathBuf::from("terraform"), PathBuf::from);
        let mut version = Command::new(&terraform);
        if version.arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            let name = terraform.display();
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no {name}");
            println!("skipped: there is no {name} (set TF_BIN)");
            return None;
        }
        let directory = TempDir::with_prefix("underlay-tf-").unwrap();
        let providers = program("terraform-provider-underlay");
        let providers = providers.parent().unwrap().display().to_string();
        let overrides = ["registry.terraform.io", "registry.opentofu.org"]
            .map(|host| format!("    \"{host}/underlay/underlay\" = \"{providers}\"\n"))
            .concat();
        let rc =
            format!("provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n");
        fs::write(directory.path().join("cli.tfrc"), rc).unwrap();
        let environment = vec![("UNDERLAY_ENDPOINT".to_owned(), endpoint)];
        Some(Self { program: terraform, directory, environment })
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Where it works.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the configuration.
    pub fn configure(&self, hcl: &str) {
        fs::write(self.directory().join("main.tf"), format!("{HEAD}{hcl}\n")).unwrap();
    }

    /// Forgets the state, as a new checkout would.
    pub fn forget(&self) {
        fs::remove_file(self.directory().join("terraform.tfstate")).unwrap();
    }

    /// The command, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.directory())
            .env("TF_CLI_CONFIG_FILE", self.directory().join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env_remove("TF_LOG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }

    /// Plans and applies.
    pub fn apply(&self) -> Run {
        self.run(&["apply", "-no-color", "-auto-approve"])
    }

    /// Plans. Exit code 0: nothing to do; 2: something to do.
    pub fn plan(&self) -> Run {
        self.run(&["plan", "-no-color", "-detailed-exitcode"])
    }

    /// Destroys everything.
    pub fn destroy(&self) -> Run {
        self.run(&["destroy", "-no-color", "-auto-approve"])
    }

    /// The state as JSON text.
    pub fn state(&self) -> String {
        self.run(&["state", "pull"]).text
    }

    /// An attribute of an object in state; empty if it is not there.
    pub fn attribute(&self, kind: &str, name: &str) -> String {
        let state: serde_json::Value = serde_json::from_str(&self.state()).unwrap_or_default();
        let resources = state["resources"].as_array().cloned().unwrap_or_default();
        let found = resources.iter().find(|resource| resource["type"] == kind);
        let value = found.map(|resource| resource["instances"][0]["attributes"][name].clone());
        value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }
}

impl Run {
    /// What a finished process came to.
    pub fn of(output: &std::process::Output) -> Self {
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        Self { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// It ended with this code.
    ///
    /// # Panics
    /// With another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self
    }

    /// It printed this, however it was wrapped.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn says(self, what: &str) -> Self {
        let flat = |text: &str| text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&self.text).contains(&flat(what)), "no {what:?} in: {}", self.text);
        self
    }
}
