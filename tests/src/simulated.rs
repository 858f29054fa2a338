//! A simulated rack and a server, each a process of its own on loopback, that know each other by public protocols only.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use underlay_proto::v1 as pb;

use crate::{
    rack::{client::Client, parts, segment::Segment},
    until,
};

/// Where the two of them run.
#[derive(Clone, Copy)]
enum Place<'s> {
    /// On this machine's loopback.
    Here,
    /// In a namespace of their own, where this is the server's address; firmware asks its DHCP server.
    Segment(&'s Segment, &'s str),
}

/// A server and its rack. Dropping them ends both.
pub struct Simulated {
    directory: TempDir,
    server: Option<Child>,
    rack: Option<Child>,
    machines: Vec<Value>,
}

impl Simulated {
    /// Starts a server, and a rack as `arguments` of `underlay sim` say.
    ///
    /// # Panics
    /// One of them does not come up.
    pub fn start(arguments: &[&str]) -> Self {
        Self::with_settings(&[], arguments)
    }

    /// The same, with more arguments of `underlay serve`.
    ///
    /// # Panics
    /// One of them does not come up.
    pub fn with_settings(settings: &[&str], arguments: &[&str]) -> Self {
        Self::at(Place::Here, settings, arguments)
    }

    /// The same in a namespace, where the server has this address.
    ///
    /// # Panics
    /// One of them does not come up.
    pub fn on(segment: &Segment, address: &str, settings: &[&str], arguments: &[&str]) -> Self {
        Self::at(Place::Segment(segment, address), settings, arguments)
    }

    fn at(place: Place<'_>, settings: &[&str], arguments: &[&str]) -> Self {
        let directory = TempDir::with_prefix("underlay-sim-").unwrap();
        let mut this = Self { directory, server: None, rack: None, machines: Vec::new() };
        for folder in ["images", "ramdisk"] {
            std::fs::create_dir(this.path(folder)).unwrap();
        }
        // The rack's firmware fetches them and throws them away.
        for file in ["vmlinuz", "initrd"] {
            std::fs::write(this.path("ramdisk").join(file), [0x55; 4096]).unwrap();
        }
        this.serve(place, settings);
        let url = format!("http://{}:{}", place.server(), this.address("UNDERLAY_BOOT_PORT"));
        let mut rack = place.command();
        rack.args(["sim", "--bmc-port", "0", "--server", &url, "--dir"])
            .arg(this.path("rack"))
            .args(arguments);
        this.rack = Some(this.spawn(rack, "rack.log"));
        until("the rack is up", || this.path("rack").join("rack.sock").exists());
        let list = std::fs::read(this.path("rack").join("inventory.json")).unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        this.machines = list["machines"].as_array().unwrap().clone();
        this
    }

    fn serve(&mut self, place: Place<'_>, settings: &[&str]) {
        let free = &format!("{}:0", place.server());
        let mut server = place.command();
        server.args(["serve", "--listen", free, "--boot-listen", free, "--metrics-listen", free]);
        server.arg("--data").arg(self.path("data")).arg("--ramdisk").arg(self.path("ramdisk"));
        server.arg("--image-root").arg(self.path("images")).args(settings);
        self.server = Some(self.spawn(server, "serve.log"));
        until("the server serves", || {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server has ended: {}", self.log("serve.log"));
            self.path("data").join("addresses").exists() && self.log("serve.log").contains("underlay serves")
        });
    }

    fn spawn(&self, mut command: Command, log: &str) -> Child {
        let log = File::create(self.path(log)).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// A file of theirs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where images are imported from.
    pub fn images(&self) -> PathBuf {
        self.path("images")
    }

    /// What one of them has logged.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// One of the server's addresses.
    ///
    /// # Panics
    /// It does not say.
    pub fn address(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path("data/addresses")).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.expect("the server says where it listens").to_owned()
    }

    /// The process ids of server and rack.
    ///
    /// # Panics
    /// They do not run.
    pub fn processes(&self) -> (u32, u32) {
        (self.server.as_ref().unwrap().id(), self.rack.as_ref().unwrap().id())
    }

    /// The server's API.
    pub fn client(&self) -> Client {
        Client::new(self.path("data/api.sock"))
    }

    /// The machines, as the rack's inventory lists them.
    pub fn machines(&self) -> &[Value] {
        &self.machines
    }

    /// The password of the BMCs.
    ///
    /// # Panics
    /// There is none.
    pub fn password(&self) -> String {
        std::fs::read_to_string(self.path("rack/bmc-password")).unwrap()
    }

    /// A host's spec, for a machine of the inventory.
    ///
    /// # Panics
    /// The inventory lacks something.
    pub fn host(&self, machine: &Value) -> pb::HostSpec {
        let text = |field: &str| machine[field].as_str().unwrap().to_owned();
        let driver = pb::RedfishDriver {
            address: text("bmc_address"),
            credential: "bmc".into(),
            tls: "pin".into(),
            ..Default::default()
        };
        pb::HostSpec {
            labels: [("rack".to_owned(), text("rack"))].into(),
            identity: Some(pb::HostIdentity {
                boot_mac: text("boot_mac"),
                serial: text("serial"),
                uuid: text("uuid"),
            }),
            boot: Some(pb::HostBoot { mode: "uefi".into(), methods: vec!["pxe".into()] }),
            driver: Some(pb::host_spec::Driver::Redfish(driver)),
            ..Default::default()
        }
    }

    /// Do something at the rack, and return what was printed.
    ///
    /// # Panics
    /// It is refused.
    pub fn at_the_rack(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(parts::underlay().unwrap());
        let output =
            command.arg("sim").args(arguments).env("UNDERLAY_SIM_DIR", self.path("rack")).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A machine as the rack sees it.
    ///
    /// # Panics
    /// There is none.
    pub fn machine(&self, name: &str) -> Value {
        serde_json::from_str(&self.at_the_rack(&["show", name])).unwrap()
    }
}

impl Place<'_> {
    fn server(&self) -> &str {
        match self {
            Place::Here => "127.0.0.1",
            Place::Segment(_, address) => address,
        }
    }

    fn command(&self) -> Command {
        let program = parts::underlay().unwrap();
        match self {
            Place::Here => Command::new(program),
            Place::Segment(segment, _) => segment.command(program),
        }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        for mut child in [self.rack.take(), self.server.take()].into_iter().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() && std::env::var_os("UNDERLAY_KEEP").is_some() {
            eprintln!("kept: {}", Path::new(self.directory.path()).display());
            self.directory.disable_cleanup(true);
        }
    }
}
