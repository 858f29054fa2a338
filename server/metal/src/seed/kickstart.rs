//! A kickstart file for Anaconda: what the user wrote, which says how disks are laid out and what is installed, and behind it what
//! underlay knows: name and network, and a `%post` that puts keys, files and the call home into the installed system.

use secrecy::ExposeSecret;
use underlay_core::machine::{Address, Network};

use super::{Content, Error, first_boot, network::BOOT};

/// The file.
pub(super) fn file(content: &Content<'_>) -> Result<String, Error> {
    let own = content.user_data.ok_or(Error::UserData {
        why: "is missing: an image with seed = \"kickstart\" takes a kickstart file, which says how the system is installed",
    })?;
    let own = own.expose_secret().trim_end();
    let mut text = String::new();
    // Commands come before sections, and ours before the user's, whose word is the last.
    text.push_str(&network(content));
    text.push_str(&format!("{own}\n\n%post --erroronfail --log=/root/underlay-post.log\n"));
    text.push_str(&first_boot::script(content));
    text.push_str("%end\n");
    Ok(text)
}

fn network(content: &Content<'_>) -> String {
    let mut lines = format!("network --hostname={}\n", content.spec.hostname);
    let boot = content.boot_mac.map_or_else(|| "link".to_owned(), |mac| mac.to_string());
    let device = |name: &str| if name == BOOT { boot.clone() } else { name.to_owned() };
    let Some(network) = &content.spec.network else {
        lines.push_str(&format!("network --device={boot} --bootproto=dhcp --activate\n"));
        return lines;
    };
    for (name, address) in &network.addresses {
        lines.push_str(&format!(
            "network {}{} --activate\n",
            made_of(network, name, &device),
            addressed(network, address)
        ));
    }
    lines
}

/// The device, and what it is made of.
fn made_of(network: &Network, name: &str, device: &dyn Fn(&str) -> String) -> String {
    let bond = |name: &str| {
        let bond = network.bonds.get(name)?;
        let nics: Vec<String> = bond.nics.iter().map(|nic| device(nic)).collect();
        Some(format!(
            "--device={name} --bondslaves={} --bondopts=mode={},miimon=100",
            nics.join(","),
            bond.mode
        ))
    };
    let mtu = |mtu: Option<u16>| mtu.map(|mtu| format!(" --mtu={mtu}")).unwrap_or_default();
    match network.vlans.get(name) {
        Some(vlan) => {
            let parent = bond(&vlan.link).unwrap_or_else(|| format!("--device={}", device(&vlan.link)));
            format!("{parent} --vlanid={} --interfacename={name}{}", vlan.id, mtu(vlan.mtu))
        }
        None => {
            let own = network.bonds.get(name).and_then(|bond| bond.mtu);
            bond(name).unwrap_or_else(|| format!("--device={}", device(name))) + &mtu(own)
        }
    }
}

fn addressed(network: &Network, address: &Address) -> String {
    let mut text = String::new();
    let four = address.cidrs.iter().find(|cidr| cidr.addr().is_ipv4());
    match four {
        Some(cidr) => {
            text.push_str(&format!(" --bootproto=static --ip={} --netmask={}", cidr.addr(), cidr.netmask()));
            if let Some(gateway) = address.gateway.filter(std::net::IpAddr::is_ipv4) {
                text.push_str(&format!(" --gateway={gateway}"));
            }
        }
        None => text.push_str(" --bootproto=dhcp"),
    }
    if let Some(cidr) = address.cidrs.iter().find(|cidr| cidr.addr().is_ipv6()) {
        text.push_str(&format!(" --ipv6={cidr}"));
        if let Some(gateway) = address.gateway.filter(std::net::IpAddr::is_ipv6) {
            text.push_str(&format!(" --ipv6gateway={gateway}"));
        }
    }
    if !network.dns.servers.is_empty() {
        let servers: Vec<String> = network.dns.servers.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" --nameserver={}", servers.join(",")));
    }
    text
}
