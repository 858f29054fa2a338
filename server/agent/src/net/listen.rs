//! Listens for what switches say of themselves, on every link at once, for a while after the start: they say it every half
//! minute or so.
//!
//! One packet socket of the kernel (packet(7)) hears the frames of all interfaces; a frame costs a lock and a copy. What is
//! heard is believed of cables only: anybody on the wire can say it.

use std::{
    collections::BTreeMap,
    io,
    os::fd::AsRawFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::info;
use underlay_core::agent::{Inventory, Neighbour};

use super::lldp;

/// For how long: longer than three of the intervals that switches have by default.
const LISTEN: Duration = Duration::from_secs(120);
/// Interfaces of which something is kept.
const MOST: usize = 256;

/// Who was heard, by the interface's index; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Neighbours(Arc<Mutex<BTreeMap<usize, Neighbour>>>);

impl Neighbours {
    /// Listens in the background, where the kernel lets us.
    pub fn listen() -> Self {
        let heard = Self::default();
        let kept = heard.clone();
        // It ends by itself, and with the process at the latest.
        let spawned = std::thread::Builder::new().name("lldp".into()).spawn(move || {
            if let Err(error) = kept.hear(Instant::now() + LISTEN) {
                info!(%error, "switches are not listened to");
            }
        });
        if let Err(error) = spawned {
            info!(%error, "switches are not listened to");
        }
        heard
    }

    fn hear(&self, until: Instant) -> io::Result<()> {
        let protocol = Protocol::from(i32::from(lldp::ETHERTYPE.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
        let mut frame = vec![0; lldp::MAX_FRAME];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            socket.set_read_timeout(Some(left))?;
            match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame).map_err(io::Error::from) {
                Ok((length, Some(from))) => {
                    self.keep(from.ifindex(), frame.get(..length).unwrap_or_default())
                }
                Ok((_, None)) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // An interface that goes down says so here.
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENETDOWN as i32) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn keep(&self, interface: usize, frame: &[u8]) {
        let Some(found) = lldp::parse(frame) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST || kept.contains_key(&interface) {
            kept.insert(interface, found);
        }
    }

    /// Adds to an inventory who was heard so far; `index` tells an interface's index by its name.
    pub fn add_to(&self, inventory: &mut Inventory, index: impl Fn(&str) -> Option<usize>) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for nic in &mut inventory.nics {
            nic.neighbour = index(&nic.name).and_then(|index| kept.get(&index).cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_stands_with_the_nic_that_heard_it() {
        let heard = Neighbours::default();
        heard.keep(3, b"\x02\x04\x07sw1\x04\x02\x057\x00\x00");
        heard.keep(2, b"noise");
        let nic = |name: &str| underlay_core::agent::Nic {
            name: name.into(),
            mac: underlay_core::Mac([2, 0, 0, 0, 0, 1]),
            link: true,
            speed: None,
            addresses: Vec::new(),
            driver: None,
            boot: false,
            neighbour: None,
        };
        let mut inventory = Inventory { nics: vec![nic("eth0"), nic("eth1")], ..Inventory::default() };
        heard.add_to(&mut inventory, |name| if name == "eth1" { Some(3) } else { Some(2) });
        let ports: Vec<_> =
            inventory.nics.iter().map(|nic| nic.neighbour.as_ref().map(|it| it.port.as_str())).collect();
        assert_eq!(ports, [None, Some("7")]);
    }
}
