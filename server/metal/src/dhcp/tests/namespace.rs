//! Real clients in network namespaces of the test's own: udhcpc, perfdhcp, and the kernel's own router solicitation.
//!
//! Needs root and the tools; without them it says so and passes, or fails where `CI=true`. The server runs in one
//! namespace as this very test binary started again; it ends when its standard input does.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    process::{Child, ChildStdout, Command, Stdio, id},
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::network;
use crate::dhcp::{
    AddressRange, Advertise, Counters, Network, NetworkName, Ports, Server, Sighting, Sightings, Stranger,
    directory::Fixed, leases::Memory,
};

/// Prints who else is there, for the test to read.
struct Aloud;

impl Sightings for Aloud {
    fn saw(&self, _: Sighting) {}

    fn strangers(&self, network: &NetworkName, strangers: Vec<Stranger>) {
        println!("strangers on {network}: {strangers:?}");
    }
}

/// One /8, as perfdhcp's many clients need; the address pool is 10.1.0.0 to 10.200.255.255.
fn wide() -> Network {
    let mut network = network();
    network.cidr = "10.0.0.0/8".parse().unwrap();
    network.ranges = vec![AddressRange { first: [10, 1, 0, 0].into(), last: [10, 200, 255, 255].into() }];
    network.gateway = Some([10, 0, 0, 254].into());
    network.interface = Some("s0".into());
    network.server = [10, 0, 0, 1].into();
    network.advertise = Advertise::Prefix("fd00:77::/64".parse().unwrap());
    network
}

/// The namespaces, deleted with everything in them when the test ends.
struct Namespaces {
    server: String,
    client: String,
}

fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{text}");
    text
}

impl Namespaces {
    fn new(name: &str) -> Self {
        let (server, client) = (format!("ul-{name}-s-{}", id()), format!("ul-{name}-c-{}", id()));
        let spaces = Self { server, client };
        let Self { server, client } = &spaces;
        run(&format!(
            "set -e; ip netns add {server}; ip netns add {client}
             ip link add s0 netns {server} type veth peer name c0 netns {client}
             for n in {server} {client}; do ip -n $n link set lo up; done
             ip netns exec {server} sh -c 'echo 0 > /proc/sys/net/ipv6/conf/s0/accept_dad'
             ip netns exec {client} sh -c 'echo 0 > /proc/sys/net/ipv6/conf/c0/accept_dad'
             ip -n {server} addr add 10.0.0.1/8 dev s0; ip -n {server} link set s0 up"
        ));
        spaces
    }

    fn client(&self, command: &str) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.client, "sh", "-c", command]);
        inside
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// The server in its namespace.
struct Serving {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Serving {
    fn start(spaces: &Namespaces) -> Self {
        let test = "dhcp::tests::namespace::serve_until_standard_input_ends";
        let mut child = Command::new("ip")
            .args(["netns", "exec", &spaces.server])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", test, "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut serving = Self { child, said };
        serving.until("listening");
        serving
    }

    /// What it says, up to a line that holds this.
    fn until(&mut self, wanted: &str) -> String {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the server ended and never said {wanted}");
        }
        line
    }

    /// Ends it; gives its counters as it printed them.
    fn stop(mut self) -> String {
        drop(self.child.stdin.take());
        let mut counters = String::new();
        self.said.read_to_string(&mut counters).unwrap();
        self.child.wait().unwrap();
        counters
    }
}

#[tokio::test]
#[ignore = "the server half of the namespace tests"]
async fn serve_until_standard_input_ends() {
    let counters = Arc::<Counters>::default();
    let (_networks, receiver) = watch::channel(Arc::from([wide()]));
    let server = Server {
        networks: receiver,
        leases: Arc::new(Memory::default()),
        directory: Arc::new(Fixed::default()),
        sightings: Arc::new(Aloud),
        counters: Arc::clone(&counters),
        ports: Ports::default(),
    };
    let cancel = CancellationToken::new();
    let running = tokio::spawn(server.run(cancel.clone()));
    while counters.listeners.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    println!("listening");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    cancel.cancel();
    running.await.unwrap().unwrap();
    println!("{:?}", counters.snapshot());
}

/// True if the tests of this file can run; says what is missing, and fails for it under CI.
fn able(tools: &[&str]) -> bool {
    let root = rustix::process::geteuid().is_root();
    let has = |tool: &&&str| {
        Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap().status.success()
    };
    let missing: Vec<_> = tools.iter().filter(|tool| !has(tool)).collect();
    if root && missing.is_empty() {
        return true;
    }
    let why = format!("not run: root {root}, missing tools {missing:?}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    println!("{why}");
    false
}

#[test]
fn a_real_client_gets_a_lease_and_its_boot_file() {
    if !able(&["ip", "busybox"]) {
        return;
    }
    let spaces = Namespaces::new("lease");
    let serving = Serving::start(&spaces);
    run(&format!("ip -n {} link set c0 up", spaces.client));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("event");
    fs::write(
        &script,
        "#!/bin/sh\necho \"$1 $ip/$mask via $router dns $dns from $serverid file $boot_file\"\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let ask = |more: &str| {
        let command = format!("busybox udhcpc -i c0 -n -q -f -t 10 -T 1 -s {} {more}", script.display());
        let output = spaces.client(&command).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let plain = ask("");
    assert!(
        plain.contains("bound 10.1.0.0/8 via 10.0.0.254 dns 10.12.0.2 10.12.0.3 from 10.0.0.1 file \n"),
        "{plain}"
    );
    let firmware = ask("-O bootfile -V PXEClient:Arch:00007:UNDI:003016 -x 0x5d:0007");
    assert!(firmware.contains("bound 10.1.0.0/8"), "the same machine gets the same address: {firmware}");
    assert!(firmware.contains("file snponly.efi\n"), "{firmware}");
    let counters = serving.stop();
    assert!(counters.contains("(\"acks\", 2)"), "{counters}");
}

#[test]
fn a_router_solicitation_is_answered_with_the_prefix() {
    if !able(&["ip", "timeout"]) {
        return;
    }
    let spaces = Namespaces::new("ra");
    let serving = Serving::start(&spaces);
    let mut monitor = Command::new("timeout")
        .args(["30", "ip", "-n", &spaces.client, "-6", "monitor", "address"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let seen = BufReader::new(monitor.stdout.take().unwrap());
    run(&format!("ip -n {} link set c0 up", spaces.client));
    let configured = seen.lines().map_while(Result::ok).any(|line| line.contains("fd00:77::"));
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    assert!(configured, "no address from the advertised prefix within 30 s");
    serving.stop();
}

#[test]
fn hundreds_of_clients_a_second_are_leased_through_a_relay() {
    if !able(&["ip", "perfdhcp"]) {
        return;
    }
    let spaces = Namespaces::new("perf");
    let serving = Serving::start(&spaces);
    run(&format!("ip -n {0} link set c0 up; ip -n {0} addr add 10.0.0.2/8 dev c0", spaces.client));
    let perfdhcp = "perfdhcp -4 -l c0 -R 100000 -r 200 -n 400 -W 2000000 10.0.0.1";
    let output = spaces.client(perfdhcp).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let received = report.lines().filter(|line| line.starts_with("received packets:"));
    let received: Vec<u32> = received.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(matches!(received[..], [offers, acks] if offers >= 390 && acks >= 390), "{report}");
    serving.stop();
}

#[test]
fn another_server_on_the_segment_is_found_and_ours_is_not_taken_for_one() {
    if !able(&["ip", "dnsmasq"]) {
        return;
    }
    let spaces = Namespaces::new("rogue");
    run(&format!("ip -n {0} link set c0 up; ip -n {0} addr add 10.0.0.66/8 dev c0", spaces.client));
    let mut alone = Serving::start(&spaces);
    assert!(alone.until("strangers on").contains("[]"), "the first probe finds nobody, itself not either");
    alone.stop();
    let options = "-k -C /dev/null -p0 --user=root --pid-file= --leasefile-ro --interface=c0 --no-ping";
    let mut rogue = spaces
        .client(&format!("exec dnsmasq {options} --dhcp-range=10.9.0.1,10.9.0.99,255.0.0.0"))
        .spawn()
        .unwrap();
    let mut serving = Serving::start(&spaces);
    let said = serving.until("10.0.0.66");
    assert!(said.contains("Answered"), "{said}");
    rogue.kill().unwrap();
    rogue.wait().unwrap();
    let counters = serving.stop();
    assert!(counters.contains("(\"strangers\", 1)") && counters.contains("(\"offers\", 0)"), "{counters}");
}
