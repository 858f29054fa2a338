//! Loopback ports for forwarded guest ports: one for each, the same over restarts, never one another host was given.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Error,
    record::{self, Record},
};

/// How often a port that another host was given is passed over.
const ATTEMPTS: usize = 64;

/// Gives out ports, one caller at a time.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Mutex<()>>);

impl Ports {
    /// Give each port in `wanted` a loopback port in `record` and save it. One that is `free` to be bound or need not be
    /// stays; `hosts` is the directory of all hosts.
    pub(super) fn settle(
        &self,
        record: &mut Record,
        wanted: &[u16],
        hosts: &Path,
        directory: &Path,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settled = BTreeMap::new();
        let mut missing = Vec::new();
        for guest in wanted {
            match record.ports.get(guest) {
                Some(port) if is_free(*port) => {
                    settled.insert(*guest, *port);
                }
                _ => missing.push(*guest),
            }
        }
        if !missing.is_empty() {
            let mut taken = given_out(hosts)?;
            for guest in missing {
                let port = pick(&taken)?;
                taken.insert(port);
                settled.insert(guest, port);
            }
        }
        record.ports = settled;
        record.save(directory)
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn pick(taken: &BTreeSet<u16>) -> Result<u16, Error> {
    for _ in 0..ATTEMPTS {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)?;
        let port = bound.local_addr().map_err(Error::Port)?.port();
        if !taken.contains(&port) {
            return Ok(port);
        }
    }
    Err(Error::Port(std::io::ErrorKind::AddrInUse.into()))
}

/// Every port that any host was given, running or not. A damaged record is its own host's trouble.
fn given_out(hosts: &Path) -> Result<BTreeSet<u16>, Error> {
    let unread = |source| Error::Read { path: hosts.to_owned(), source };
    let mut taken = BTreeSet::new();
    for entry in std::fs::read_dir(hosts).map_err(unread)? {
        let directory = entry.map_err(unread)?.path();
        match record::Record::load(&directory) {
            Ok(record) => taken.extend(record.ports.into_values()),
            Err(error) => {
                tracing::warn!(path = %directory.display(), %error, "machine record is passed over")
            }
        }
    }
    Ok(taken)
}
