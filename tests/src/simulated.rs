//! A simulated rack and a server, each a process of its own on loopback, that know each other by public protocols only.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::DirBuilderExt,
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

/// A server and its rack. Dropping them ends both.
pub struct Simulated {
    directory: TempDir,
    world: World,
    settings: Vec<String>,
    server: Option<Child>,
    rack: Option<Child>,
    machines: Vec<Value>,
}

/// What surrounds the processes.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// What runs the server: a program and its arguments, before those of the server. `DIR` in it is where their files lie.
    pub server: Vec<String>,
    /// The same for the rack.
    pub rack: Vec<String>,
    /// The server's address; left out, that of loopback.
    pub address: Option<String>,
    /// More environment of the server.
    pub server_environment: Vec<(String, String)>,
    /// More environment of the rack.
    pub rack_environment: Vec<(String, String)>,
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
        Self::within(World::default(), settings, arguments)
    }

    /// The same in a namespace, where the server has this address.
    ///
    /// # Panics
    /// One of them does not come up.
    pub fn on(segment: &Segment, address: &str, settings: &[&str], arguments: &[&str]) -> Self {
        let world = World {
            server: segment.words(),
            rack: segment.words(),
            address: Some(address.to_owned()),
            ..World::default()
        };
        Self::within(world, settings, arguments)
    }

    /// The same, in a world of their own.
    ///
    /// # Panics
    /// One of them does not come up.
    pub fn within(world: World, settings: &[&str], arguments: &[&str]) -> Self {
        let directory = TempDir::with_prefix("underlay-sim-").unwrap();
        let settings = settings.iter().map(|word| (*word).to_owned()).collect();
        let mut this = Self { directory, world, settings, server: None, rack: None, machines: Vec::new() };
        for folder in ["images", "ramdisk", "data"] {
            std::fs::DirBuilder::new().mode(0o700).create(this.path(folder)).unwrap();
        }
        // The rack's firmware fetches them and throws them away.
        for file in ["vmlinuz", "initrd"] {
            std::fs::write(this.path("ramdisk").join(file), [0x55; 4096]).unwrap();
        }
        let free = format!("{}:0", this.world.address());
        this.serve(["--listen", &free, "--boot-listen", &free, "--metrics-listen", &free].map(str::to_owned));
        let url = format!("http://{}:{}", this.world.address(), this.address("UNDERLAY_BOOT_PORT"));
        this.bring_up_the_rack(&url, arguments);
        this
    }

    /// Makes the boot image that the server shows hosts by virtual media, out of the ramdisk it has.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn make_boot_image(&self) {
        let ramdisk = self.path("ramdisk");
        let mut make = Command::new(parts::underlay().unwrap());
        make.args(["ramdisk", "iso", "--ramdisk"])
            .arg(&ramdisk)
            .arg("--output")
            .arg(ramdisk.join("boot.iso"));
        let made = make.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// A rack alone, whose firmware finds the boot endpoint at `url`; the servers are somebody else's.
    ///
    /// # Panics
    /// It does not come up.
    pub fn rack_alone(url: &str, arguments: &[&str]) -> Self {
        let directory = TempDir::with_prefix("underlay-rack-").unwrap();
        let world = World::default();
        let settings = Vec::new();
        let mut this = Self { directory, world, settings, server: None, rack: None, machines: Vec::new() };
        this.bring_up_the_rack(url, arguments);
        this
    }

    fn bring_up_the_rack(&mut self, url: &str, arguments: &[&str]) {
        let mut rack = self.command(&self.world.rack);
        rack.args(["sim", "--bmc-port", "0", "--server", url, "--dir"])
            .arg(self.path("rack"))
            .args(arguments);
        rack.envs(self.world.rack_environment.iter().cloned());
        self.rack = Some(self.spawn(rack, "rack.log"));
        until("the rack is up", || self.path("rack").join("rack.sock").exists());
        let list = std::fs::read(self.path("rack").join("inventory.json")).unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        self.machines = list["machines"].as_array().unwrap().clone();
    }

    /// Our program, run by these words.
    fn command(&self, by: &[String]) -> Command {
        let directory = self.directory.path().display().to_string();
        let mut words: Vec<_> = by.iter().map(|word| word.replace("DIR", &directory)).collect();
        words.push(parts::underlay().unwrap().display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    fn serve(&mut self, doors: impl IntoIterator<Item = String>) {
        let mut server = self.command(&self.world.server);
        server.arg("serve").args(doors);
        server.arg("--data").arg(self.path("data")).arg("--ramdisk").arg(self.path("ramdisk"));
        server.arg("--socket").arg(self.path("api.sock"));
        server.arg("--image-root").arg(self.path("images")).args(&self.settings);
        server.envs(self.world.server_environment.iter().cloned());
        self.server = Some(self.spawn(server, "serve.log"));
        until("the server serves", || {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server has ended: {}", self.log("serve.log"));
            self.log("serve.log").contains("underlay serves")
        });
    }

    /// Ends the server at once, as a power cut would.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill_server(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Has the server stop, as an orderly shutdown does, and waits until it has.
    ///
    /// # Panics
    /// It does not run, or ends badly.
    pub fn stop_server(&mut self) {
        let mut server = self.server.take().unwrap();
        let id = rustix::process::Pid::from_child(&server);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(server.wait().unwrap().success(), "{}", self.log("serve.log"));
    }

    /// Starts the server again on its data and its ports.
    ///
    /// # Panics
    /// It does not come up.
    pub fn resume_server(&mut self) {
        let (api, boot) = (self.address("UNDERLAY_API"), self.address("UNDERLAY_BOOT_PORT"));
        let doors =
            ["--listen".into(), api, "--boot-listen".into(), format!("{}:{boot}", self.world.address())];
        let metrics = ["--metrics-listen".into(), self.address("UNDERLAY_METRICS")];
        self.serve(doors.into_iter().chain(metrics));
    }

    fn spawn(&self, mut command: Command, log: &str) -> Child {
        let log = File::create(self.path(log)).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// A file of theirs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The server's data, through its own eyes: it may lie on a file system that only it has mounted.
    ///
    /// # Panics
    /// Neither the server nor its data are there.
    pub fn data(&self) -> PathBuf {
        let data = self.path("data");
        match &self.server {
            Some(server) if !data.join("addresses").exists() => {
                PathBuf::from(format!("/proc/{}/root{}", server.id(), data.display()))
            }
            _ => data,
        }
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
        let text = std::fs::read_to_string(self.data().join("addresses")).unwrap();
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
        Client::new(self.path("api.sock"))
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
                ..Default::default()
            }),
            boot: Some(pb::HostBoot {
                mode: "uefi".into(),
                methods: vec!["pxe".into()],
                ..Default::default()
            }),
            driver: Some(pb::host_spec::Driver::Redfish(driver)),
            ..Default::default()
        }
    }

    /// The sum of one of the server's metrics over its labels; 0 where it has none yet.
    ///
    /// # Panics
    /// The server does not answer.
    pub fn metric(&self, name: &str) -> f64 {
        let mut line = std::net::TcpStream::connect(self.address("UNDERLAY_METRICS")).unwrap();
        line.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        answer.lines().filter(of).filter_map(value).sum()
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

    /// The command that makes the same run of the rack again.
    ///
    /// # Panics
    /// The rack does not run.
    pub fn replay(&self) -> String {
        self.at_the_rack(&["replay"]).trim().to_owned()
    }

    /// A machine as the rack sees it.
    ///
    /// # Panics
    /// There is none.
    pub fn machine(&self, name: &str) -> Value {
        serde_json::from_str(&self.at_the_rack(&["show", name])).unwrap()
    }
}

impl World {
    /// The server's address.
    fn address(&self) -> &str {
        self.address.as_deref().unwrap_or("127.0.0.1")
    }
}

impl Simulated {
    fn tell_how_to_repeat(&self) {
        let mut ask = Command::new(parts::underlay().unwrap());
        let told = ask.args(["sim", "replay", "--dir"]).arg(self.path("rack")).output();
        if let Some(told) = told.ok().filter(|told| told.status.success()) {
            eprintln!("the same rack again: {}", String::from_utf8_lossy(&told.stdout).trim());
        }
        eprintln!("the same test again: {}", crate::this_test());
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // Whether a test that returns an error fails is not known here, so every test tells; where it passes, that is read by
        // nobody.
        let thread = std::thread::current();
        let in_a_test = thread.name().is_some_and(|name| name != "main" && !name.starts_with("tokio"));
        if std::thread::panicking() || in_a_test {
            self.tell_how_to_repeat();
        }
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
