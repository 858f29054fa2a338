//! A request in the making, byte by byte, so that tests do not trust the encoder they test.

use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;
use underlay_core::Mac;

use crate::dhcp::request::Request;

#[derive(Clone)]
pub(crate) struct Datagram {
    fixed: [u8; 240],
    options: Vec<u8>,
}

impl Datagram {
    pub(crate) fn new(kind: MessageType, mac: Mac) -> Self {
        let mut fixed = [0; 240];
        fixed[..3].copy_from_slice(&[1, 1, 6]);
        fixed[4..8].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        fixed[28..34].copy_from_slice(&mac.0);
        fixed[236..].copy_from_slice(&[99, 130, 83, 99]);
        Self { fixed, options: vec![53, 1, kind.into()] }
    }

    fn at(mut self, offset: usize, address: Ipv4Addr) -> Self {
        self.fixed[offset..offset + 4].copy_from_slice(&address.octets());
        self
    }

    pub(crate) fn broadcast(mut self) -> Self {
        self.fixed[10] = 0x80;
        self
    }

    pub(crate) fn ciaddr(self, address: Ipv4Addr) -> Self {
        self.at(12, address)
    }

    pub(crate) fn giaddr(self, address: Ipv4Addr) -> Self {
        self.at(24, address)
    }

    pub(crate) fn option(mut self, code: u8, data: &[u8]) -> Self {
        self.options.extend([code, data.len().try_into().unwrap()]);
        self.options.extend(data);
        self
    }

    pub(crate) fn requested(self, address: Ipv4Addr) -> Self {
        self.option(50, &address.octets())
    }

    pub(crate) fn server(self, address: Ipv4Addr) -> Self {
        self.option(54, &address.octets())
    }

    /// What PXE firmware of an architecture adds.
    pub(crate) fn pxe(self, arch: u16) -> Self {
        let class = format!("PXEClient:Arch:{arch:05}:UNDI:003000");
        self.firmware(&class, arch)
    }

    /// What UEFI HTTP Boot firmware adds.
    pub(crate) fn http(self, arch: u16) -> Self {
        let class = format!("HTTPClient:Arch:{arch:05}:UNDI:003000");
        self.firmware(&class, arch)
    }

    /// What iPXE adds to what its firmware said.
    pub(crate) fn ipxe(self, arch: u16) -> Self {
        self.pxe(arch).option(77, b"iPXE").option(175, &[0xb1, 1, 1, 0xeb, 3, 1, 0, 0])
    }

    fn firmware(self, class: &str, arch: u16) -> Self {
        let uuid: Vec<u8> = (0..17).collect();
        self.option(55, &[1, 3, 6, 15, 43, 60, 66, 67])
            .option(60, class.as_bytes())
            .option(93, &arch.to_be_bytes())
            .option(94, &[1, 3, 0])
            .option(97, &uuid)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.fixed[..], &self.options, &[255]].concat()
    }

    pub(crate) fn request(&self) -> Request {
        Request::parse(&self.bytes()).unwrap()
    }
}
