//! What tests ask of the server: the boot network of a segment, hosts on it, machines on those.

use std::collections::HashMap;

use underlay_proto::v1 as pb;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Who gives addresses on the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// We do.
    Server,
    /// Somebody else does; we add what to boot.
    Proxy,
    /// Nobody, as far as we are concerned.
    Off,
}

/// The segment's network; `unknown` is what a machine gets that nobody enrolled, empty for the default.
pub fn network(dhcp: Dhcp, unknown: &str) -> pb::NetworkSpec {
    let dhcp = match dhcp {
        Dhcp::Server => pb::Dhcp {
            mode: "server".into(),
            range_first: "10.77.0.100".into(),
            range_last: "10.77.0.199".into(),
            ..pb::Dhcp::default()
        },
        Dhcp::Proxy => pb::Dhcp { mode: "proxy".into(), ..pb::Dhcp::default() },
        Dhcp::Off => pb::Dhcp { mode: "off".into(), ..pb::Dhcp::default() },
    };
    pb::NetworkSpec {
        cidr: "10.77.0.0/24".into(),
        dhcp: Some(dhcp),
        unknown: unknown.into(),
        ..pb::NetworkSpec::default()
    }
}

/// A network that is reached through a relay only, with a range from .100 and its router at .1; `net` is "10.78.0".
pub fn relayed(net: &str, unknown: &str) -> pb::NetworkSpec {
    let dhcp = pb::Dhcp {
        mode: "server".into(),
        range_first: format!("{net}.100"),
        range_last: format!("{net}.199"),
        ..pb::Dhcp::default()
    };
    pb::NetworkSpec {
        cidr: format!("{net}.0/24"),
        gateway: format!("{net}.1"),
        dhcp: Some(dhcp),
        unknown: unknown.into(),
        ..pb::NetworkSpec::default()
    }
}

/// How large a host is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Memory, in MiB.
    pub memory: u64,
    /// Its one disk, in MiB.
    pub disk: u64,
}

/// Enough for the agent and a small image.
pub const SMALL: Size = Size { memory: 512, disk: 256 };
/// Enough for Debian.
pub const LARGE: Size = Size { memory: 1024, disk: 4 * GIB / MIB };

/// A QEMU host that the server runs on that tap. `mode` is its firmware, `method` how it boots from the network.
pub fn qemu(tap: &str, mac: &str, mode: &str, method: &str, size: Size) -> pb::HostSpec {
    let qemu = pb::QemuDriver {
        cpus: 1,
        memory_bytes: size.memory * MIB,
        disk_bytes: vec![size.disk * MIB],
        tap: tap.into(),
        ..pb::QemuDriver::default()
    };
    host(mac, mode, method, pb::host_spec::Driver::Qemu(qemu))
}

/// A host behind that driver, known by its boot NIC.
pub fn host(mac: &str, mode: &str, method: &str, driver: pb::host_spec::Driver) -> pb::HostSpec {
    pb::HostSpec {
        identity: Some(pb::HostIdentity { boot_mac: mac.into(), ..pb::HostIdentity::default() }),
        boot: Some(pb::HostBoot { mode: mode.into(), methods: vec![method.into()], ..Default::default() }),
        driver: Some(driver),
        ..pb::HostSpec::default()
    }
}

/// What counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The installed system called its one-time URL.
    Booted,
    /// All is written.
    Written,
}

/// A machine with that image on that host; it may erase the disk when it is deployed again.
pub fn machine(image: &str, host: &str, ready: Ready) -> pb::MachineSpec {
    let wait_for = match ready {
        Ready::Booted => "booted",
        Ready::Written => "written",
    };
    pb::MachineSpec {
        image: image.into(),
        host: host.into(),
        allow_disruption: "erase_root".into(),
        redeploy: Some(pb::Redeploy { on: vec!["image".into()], generation: 1 }),
        wait_for: wait_for.into(),
        ..pb::MachineSpec::default()
    }
}

/// DHCP on the boot NIC, and `cidr` on a tagged VLAN of it.
pub fn tagged(vlan: u32, cidr: &str) -> pb::MachineNetwork {
    let name = format!("v{vlan}");
    let on_boot = pb::LinkAddress { dhcp: Some(true), ..pb::LinkAddress::default() };
    let on_vlan = pb::LinkAddress { cidrs: vec![cidr.into()], ..pb::LinkAddress::default() };
    pb::MachineNetwork {
        vlans: HashMap::from([(name.clone(), pb::Vlan { link: "boot".into(), id: vlan, mtu: 0 })]),
        addresses: HashMap::from([("boot".into(), on_boot), (name, on_vlan)]),
        ..pb::MachineNetwork::default()
    }
}
