//! A network namespace of the test's own, a directory beside it, and the end of both.
//!
//! A keeper process in a process group of its own holds the read end of a pipe. When the test lets go of the other end
//! (dropped, panicked, interrupted, killed), it ends every process in the namespace and removes namespace and
//! directory. Nothing else on the machine is touched: names carry the test's pid.

use std::{
    fmt::Write as _,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, ensure};

use super::parts::script;

/// Begins the name of every namespace and directory of these tests.
pub const PREFIX: &str = "underlay-test-";

/// Ends what is in the namespaces whose name begins with $1, and the directory $2. KEEP=1 spares the directory.
const KEEPER: &str = r#"
cat >/dev/null
[ ! -e "$2/redfish/pid" ] || bash "$3/libvirt.sh" down "$2/redfish"
for path in /run/netns/"$1" /run/netns/"$1".*; do
    [ -e "$path" ] || continue
    name=${path##*/}
    while pids=$(ip netns pids "$name") && [ -n "$pids" ]; do kill -KILL $pids; sleep 0.05; done
    bash "$3/netns.sh" down "$name"
done
[ "${KEEP:-}" = 1 ] || rm -rf "$2"
"#;

/// A boot segment: namespace, bridge `br0` at 10.77.0.1/24, taps, and a directory.
pub struct Segment {
    name: String,
    directory: PathBuf,
    keeper: Child,
}

impl Segment {
    /// A new one, with these tap devices on its bridge.
    ///
    /// # Errors
    /// The namespace cannot be made.
    pub fn new(taps: &[&str]) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
        let keeper = Command::new("bash")
            .args(["-c", KEEPER, "keeper", &name])
            .args([&directory, script("netns.sh").parent().context("scripts lie in a directory")?])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("starting the segment's keeper")?;
        let segment = Self { name, directory, keeper };
        run(Command::new(script("netns.sh")).args(["up", &segment.name]).args(taps))?;
        Ok(segment)
    }

    /// The namespace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A directory for whatever the test leaves; goes with the segment.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command that will run in the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        within(&self.name, program)
    }

    /// The words that run what follows them in the namespace.
    pub fn words(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).into()
    }

    /// Run `ip` with these words on the namespace's links and addresses.
    ///
    /// # Errors
    /// It refuses.
    pub fn ip(&self, words: &str) -> Result<()> {
        run(Command::new("ip").args(["-n", &self.name]).args(words.split_whitespace()))
    }

    /// What an HTTP request to `url` answers: status code and body. `form` makes it a POST.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn http(&self, url: &str, form: Option<&str>) -> Result<(u16, String)> {
        let mut curl = self.command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]);
        if let Some(form) = form {
            curl.args(["--data", form]);
        }
        let output = curl.arg(url).output().context("running curl")?;
        ensure!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, code) = text.rsplit_once('\n').context("curl prints the code last")?;
        Ok((code.parse().context("an HTTP code")?, body.to_owned()))
    }

    /// An address of ours on a tagged VLAN of the bridge, for as long as the answer is kept. In user space, since not
    /// every kernel that runs tests has VLANs.
    ///
    /// # Errors
    /// Its devices cannot be made.
    pub fn vlan(&self, id: u16, address: &str) -> Result<Process> {
        for words in [
            "tuntap add trunk mode tap",
            "link set trunk master br0 up",
            "tuntap add access mode tap",
            &format!("address add {address} dev access"),
            "link set access up",
        ] {
            self.ip(words)?;
        }
        let mut port = self.command(script("vlan.py"));
        Process::start(port.args([&id.to_string(), "trunk", "access"]))
    }

    /// A namespace beside this one, joined to its bridge by `eth0` with that address: somebody else's server.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn neighbour(&self, address: &str) -> Result<Neighbour> {
        let name = format!("{}.n", self.name);
        run(Command::new("ip").args(["netns", "add", &name]))?;
        run(Command::new("ip").args([
            "-n", &self.name, "link", "add", "veth0", "type", "veth", "peer", "eth0", "netns", &name,
        ]))?;
        self.ip("link set veth0 master br0 up")?;
        for words in
            [format!("address add {address} dev eth0"), "link set eth0 up".into(), "link set lo up".into()]
        {
            run(Command::new("ip").args(["-n", &name]).args(words.split_whitespace()))?;
        }
        Ok(Neighbour { name })
    }

    /// Another segment behind a router, in a namespace of its own: bridge `br0` with that address, a tap on it, and a way
    /// to this one by its 10.77.0.3. Broadcasts stay on their side.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn beyond(&self, address: &str, cidr: &str, tap: &str) -> Result<Neighbour> {
        let name = format!("{}.b", self.name);
        run(Command::new("ip").args(["netns", "add", &name]))?;
        run(Command::new("ip").args([
            "-n", &self.name, "link", "add", "veth1", "type", "veth", "peer", "eth0", "netns", &name,
        ]))?;
        self.ip("link set veth1 master br0 up")?;
        self.ip(&format!("route add {cidr} via 10.77.0.3"))?;
        for words in [
            "link set lo up".to_owned(),
            "address add 10.77.0.3/24 dev eth0".into(),
            "link set eth0 up".into(),
            "link add br0 type bridge stp_state 0 forward_delay 0".into(),
            format!("address add {address} dev br0"),
            "link set br0 up".into(),
            format!("tuntap add {tap} mode tap"),
            format!("link set {tap} master br0 up"),
        ] {
            run(Command::new("ip").args(["-n", &name]).args(words.split_whitespace()))?;
        }
        let neighbour = Neighbour { name };
        run(neighbour.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]))?;
        Ok(neighbour)
    }

    /// The processes of that program in the namespace (as the kernel cuts its name: 15 bytes).
    ///
    /// # Errors
    /// The namespace cannot be asked.
    pub fn pids(&self, program: &str) -> Result<Vec<rustix::process::Pid>> {
        let output = Command::new("ip").args(["netns", "pids", &self.name]).output().context("running ip")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let pids = text.split_whitespace().filter_map(|pid| pid.parse().ok());
        let named = pids.filter(|pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == program)
        });
        Ok(named.filter_map(rustix::process::Pid::from_raw).collect())
    }

    /// Cut the power of every QEMU machine in the namespace, and wait for their end.
    ///
    /// # Errors
    /// There is none, or one does not end.
    pub fn cut_power(&self) -> Result<()> {
        let machines = self.pids("qemu-system-x86")?;
        ensure!(!machines.is_empty(), "no machine runs in {}", self.name);
        for pid in &machines {
            rustix::process::kill_process(*pid, rustix::process::Signal::KILL).context("killing QEMU")?;
        }
        let deadline = std::time::Instant::now() + super::PATIENCE;
        while !self.pids("qemu-system-x86")?.is_empty() {
            ensure!(std::time::Instant::now() < deadline, "a killed QEMU does not end");
            std::thread::sleep(super::GLANCE);
        }
        Ok(())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Somebody else on the segment; goes with it.
pub struct Neighbour {
    name: String,
}

impl Neighbour {
    /// Its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run there.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        within(&self.name, program)
    }
}

/// A process that ends when it is dropped.
pub struct Process(Child);

impl Process {
    /// Start it.
    ///
    /// # Errors
    /// There is no such program.
    pub fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().with_context(|| format!("starting {command:?}"))?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn within(name: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).arg(program).stdin(Stdio::null());
    command
}

/// Run a command to its end.
///
/// # Errors
/// It ends with another code than 0; what it said is in the error.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    let _ = write!(said, "{}", String::from_utf8_lossy(&output.stdout));
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, said.trim());
    Ok(())
}
