//! Runs the command line program in a directory of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The program under test, in a working directory with a store for things.
pub struct Cli {
    program: PathBuf,
    directory: TempDir,
    reattach: Option<String>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub text: String,
}

impl Cli {
    /// `None`, after saying so, where there is no program to test with.
    pub fn new() -> Option<Self> {
        let program = std::env::var_os("TF_BIN").map_or_else(|| PathBuf::from("terraform"), PathBuf::from);
        let found = Command::new(&program)
            .arg("version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok();
        if !found {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no {}", program.display());
            println!("skipped: there is no {} (set TF_BIN)", program.display());
            return None;
        }
        let directory = TempDir::with_prefix("tfplugin-").unwrap();
        let cli = Self { program, directory, reattach: None };
        fs::create_dir(cli.things()).unwrap();
        let providers = provider_binary().parent().unwrap().display().to_string();
        let overrides = ["registry.terraform.io", "registry.opentofu.org"]
            .map(|host| format!("    \"{host}/example/thing\" = \"{providers}\"\n"))
            .concat();
        let rc =
            format!("provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n");
        fs::write(cli.directory.path().join("cli.tfrc"), rc).unwrap();
        Some(cli)
    }

    /// The same, attached to a provider that runs already.
    pub fn attached(reattach: &str) -> Option<Self> {
        Self::new().map(|cli| Self { reattach: Some(reattach.to_owned()), ..cli })
    }

    /// Where the things are.
    pub fn things(&self) -> PathBuf {
        self.directory.path().join("things")
    }

    /// The names of the things there are.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.things())
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Writes the configuration: the provider's block and this.
    pub fn configure(&self, hcl: &str) {
        let head =
            "terraform {\n  required_providers {\n    thing = { source = \"example/thing\" }\n  }\n}\n";
        fs::write(self.directory.path().join("main.tf"), format!("{head}{hcl}\n")).unwrap();
    }

    /// Forgets the state, as a new checkout would.
    pub fn forget(&self) {
        fs::remove_file(self.directory.path().join("terraform.tfstate")).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("TF_CLI_CONFIG_FILE", self.directory.path().join("cli.tfrc"))
            .env("THING_DIRECTORY", self.things())
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env_remove("TF_LOG")
            .stdin(Stdio::null());
        if let Some(reattach) = &self.reattach {
            command.env("TF_REATTACH_PROVIDERS", reattach);
        }
        command
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Run { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    pub fn apply(&self) -> Run {
        self.run(&["apply", "-no-color", "-auto-approve"])
    }

    /// Exit code 0: nothing to do; 2: something to do.
    pub fn plan(&self) -> Run {
        self.run(&["plan", "-no-color", "-detailed-exitcode"])
    }

    /// The state as JSON text.
    pub fn state(&self) -> String {
        self.run(&["state", "pull"]).text
    }
}

impl Run {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self
    }

    #[track_caller]
    pub fn says(self, what: &str) -> Self {
        // Messages are wrapped and framed to the width of a terminal.
        let flat = |text: &str| text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&self.text).contains(&flat(what)), "no {what:?} in: {}", self.text);
        self
    }
}

/// The example provider, built beside the tests.
pub fn provider_binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("examples/terraform-provider-thing");
    assert!(binary.exists(), "build it first: cargo build -p tfplugin --examples");
    binary
}

/// Waits until something is true.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
