//! Which file a machine is told to load, and the options that say so.
//!
//! Firmware gets a loader (by TFTP, or by URL where it speaks HTTP), iPXE gets its script's URL. What the script then
//! does is the HTTP endpoint's business. PXE 2.1 section 2.2, UEFI 2.10 section 24.7, iPXE dhcp settings.

use dhcproto::v4::{DhcpOption, OptionCode, UnknownOption};

use super::{
    client::{Arch, Program},
    directory::Loader,
    network::{Boot, MAX_BOOT_FILE, Network},
    request::{IPXE_OPTIONS, Request},
};

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootFile {
    /// A name on our TFTP server.
    Tftp(String),
    /// A URL for firmware that asked as `HTTPClient`.
    Http(String),
    /// The URL of an iPXE script.
    Script(String),
}

impl BootFile {
    /// What this client is to load; none where nothing is to be booted, or nothing fits it.
    pub fn choose(network: &Network, request: &Request, loader: &Loader) -> Option<Self> {
        let boot = &network.boot;
        match (loader, request.program) {
            (Loader::Nothing, _) | (_, Program::System) => None,
            (Loader::Script(url), Program::Ipxe) => Some(Self::Script(url.clone())),
            (Loader::Network, Program::Ipxe) => Some(Self::Script(boot.script_for(request.mac))),
            (_, Program::Pxe) => loader_name(boot, request.arch).map(|name| Self::Tftp(name.to_owned())),
            (Loader::Network, Program::Http) if request.arch == Some(Arch::UefiX64) && boot.uki.is_some() => {
                boot.uki_for(request.mac).map(Self::Http)
            }
            (_, Program::Http) => {
                loader_name(boot, request.arch).map(|name| Self::Http(format!("{}/{name}", boot.loaders)))
            }
        }
        .filter(|file| file.name().len() <= MAX_BOOT_FILE)
    }

    /// The name or URL itself.
    pub fn name(&self) -> &str {
        match self {
            Self::Tftp(name) | Self::Http(name) | Self::Script(name) => name,
        }
    }
}

/// A PXE client without option 93 is an old BIOS.
fn loader_name(boot: &Boot, arch: Option<Arch>) -> Option<&str> {
    match arch.unwrap_or(Arch::Bios) {
        Arch::Bios => Some(&boot.bios),
        Arch::UefiX64 => Some(&boot.uefi_x64),
        Arch::UefiArm64 => Some(&boot.uefi_arm64),
        Arch::Other(_) => None,
    }
}

/// The options beside the boot file that a client needs in order to take it. Where we are the DHCP server, a
/// `PXEClient` gets no option 60 back: with one it would look for PXE boot menus in option 43.
pub fn options_as_server(network: &Network, request: &Request, file: Option<&BootFile>) -> Vec<DhcpOption> {
    let mut options = Vec::new();
    if request.program == Program::Ipxe {
        options.push(no_pxedhcp());
    }
    match file {
        Some(BootFile::Http(_)) => options.push(class(HTTP_CLIENT)),
        Some(BootFile::Tftp(_)) if request.wants(OptionCode::TFTPServerName) => {
            options.push(DhcpOption::TFTPServerName(network.server.to_string().into_bytes()));
        }
        _ => {}
    }
    options
}

/// The same beside somebody else's DHCP server: the class that marks the answer as proxyDHCP, the machine id that PXE
/// clients compare, and a PXE discovery control that says to load the named file without menu or multicast.
pub fn options_as_proxy(request: &Request, file: &BootFile) -> Vec<DhcpOption> {
    let mut options = Vec::new();
    if let Some(uuid) = &request.uuid {
        options.push(DhcpOption::ClientMachineIdentifier(uuid.clone()));
    }
    match file {
        BootFile::Http(_) => options.push(class(HTTP_CLIENT)),
        BootFile::Tftp(_) | BootFile::Script(_) => {
            options.push(class(PXE_CLIENT));
            options.push(DhcpOption::VendorExtensions(pxe_options(request.boot_item)));
        }
    }
    if request.program == Program::Ipxe {
        options.push(no_pxedhcp());
    }
    options
}

const HTTP_CLIENT: &[u8] = b"HTTPClient";
const PXE_CLIENT: &[u8] = b"PXEClient";

fn class(name: &[u8]) -> DhcpOption {
    DhcpOption::ClassIdentifier(name.to_vec())
}

/// Discovery control 8 (PXE 2.1 table 2-1: bit 3, use the boot file of this offer), and the chosen boot item.
fn pxe_options(item: Option<[u8; 4]>) -> Vec<u8> {
    let mut options = vec![6, 1, 8];
    if let Some(item) = item {
        options.extend([71, 4]);
        options.extend(item);
    }
    options.push(255);
    options
}

/// iPXE option 175.176 = 1: do not wait three seconds for a proxyDHCP server.
fn no_pxedhcp() -> DhcpOption {
    DhcpOption::Unknown(UnknownOption::new(OptionCode::Unknown(IPXE_OPTIONS), vec![176, 1, 1]))
}
