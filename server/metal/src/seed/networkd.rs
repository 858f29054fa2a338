//! The installed system's network for systemd-networkd (systemd.netdev(5), systemd.network(5)). The boot NIC is known by its MAC.

use std::collections::BTreeMap;

use underlay_core::{Mac, machine::Network};

use super::network::BOOT;

/// Units by file name. Without a network of its own the system asks DHCP on the NIC it booted over.
pub(super) fn files(network: Option<&Network>, boot_mac: Option<Mac>) -> BTreeMap<String, String> {
    let Some(network) = network else {
        let unit = format!("{}\n[Network]\nDHCP=yes\n", matching(BOOT, boot_mac));
        return [(format!("10-underlay-{BOOT}.network"), unit)].into();
    };
    let mut files = BTreeMap::new();
    for (name, bond) in &network.bonds {
        let mtu = bond.mtu.map(|mtu| format!("MTUBytes={mtu}\n")).unwrap_or_default();
        let unit = format!(
            "[NetDev]\nName={name}\nKind=bond\n{mtu}\n[Bond]\nMode={}\nMIIMonitorSec=100ms\n",
            bond.mode
        );
        files.insert(format!("10-underlay-{name}.netdev"), unit);
    }
    for (name, vlan) in &network.vlans {
        let mtu = vlan.mtu.map(|mtu| format!("MTUBytes={mtu}\n")).unwrap_or_default();
        let unit = format!("[NetDev]\nName={name}\nKind=vlan\n{mtu}\n[VLAN]\nId={}\n", vlan.id);
        files.insert(format!("10-underlay-{name}.netdev"), unit);
    }
    let links = network.nics().into_iter().chain(network.bonds.keys().map(String::as_str));
    for name in links.chain(network.vlans.keys().map(String::as_str)) {
        files.insert(format!("10-underlay-{name}.network"), link(network, name, boot_mac));
    }
    files
}

fn link(network: &Network, name: &str, boot_mac: Option<Mac>) -> String {
    let mut unit = format!("{}\n[Network]\n", matching(name, boot_mac));
    let mut say = |line: String| unit.push_str(&format!("{line}\n"));
    for (bond, _) in network.bonds.iter().filter(|(_, bond)| bond.nics.iter().any(|nic| nic == name)) {
        say(format!("Bond={bond}"));
    }
    for (vlan, _) in network.vlans.iter().filter(|(_, vlan)| vlan.link == name) {
        say(format!("VLAN={vlan}"));
    }
    match network.addresses.get(name) {
        Some(address) => {
            let asks = address.dhcp.unwrap_or(address.cidrs.is_empty());
            say(format!("DHCP={}", if asks { "yes" } else { "no" }));
            address.cidrs.iter().for_each(|cidr| say(format!("Address={cidr}")));
            address.gateway.iter().for_each(|gateway| say(format!("Gateway={gateway}")));
            network.dns.servers.iter().for_each(|server| say(format!("DNS={server}")));
            if !network.dns.search.is_empty() {
                say(format!("Domains={}", network.dns.search.join(" ")));
            }
        }
        // It carries others and needs no address itself.
        None => say("DHCP=no\nLinkLocalAddressing=no".to_owned()),
    }
    unit
}

fn matching(name: &str, boot_mac: Option<Mac>) -> String {
    match boot_mac.filter(|_| name == BOOT) {
        Some(mac) => format!("[Match]\nPermanentMACAddress={mac}\n"),
        None => format!("[Match]\nName={name}\n"),
    }
}
