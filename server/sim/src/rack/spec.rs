//! What a rack is to be.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use underlay_core::SecretString;

use crate::{
    bmc::recorded::Recorded,
    fault::order::Order,
    machine::hardware,
    models::{self, Model},
    pace::Pace,
};

/// Everything about a rack that is said before it is there.
#[derive(Clone, Debug)]
pub struct Spec {
    /// How many machines.
    pub machines: u32,
    /// How many of them to a rack of its own.
    pub per_rack: u32,
    /// Their kinds, in turn.
    pub models: Vec<&'static Model>,
    /// Identities, latencies and chaos come from it.
    pub seed: u64,
    /// How long things take.
    pub pace: Pace,
    /// The chance of a boot to go wrong.
    pub chaos: f64,
    /// What goes wrong from the start.
    pub faults: Vec<Order>,
    /// Where firmware finds the boot endpoint, as DHCP option 67 would say: `http://127.0.0.1:7480`.
    pub boot_url: String,
    /// The DHCP server that firmware asks first, as through a relay; without one it knows the boot endpoint already.
    pub dhcp: Option<SocketAddr>,
    /// The relay's address, which tells the DHCP server the network.
    pub relay: IpAddr,
    /// How much of kernel and initramfs is fetched.
    pub ramdisk: Fetch,
    /// What BMCs are logged in to with.
    pub login: Login,
    /// How BMCs are spoken to.
    pub scheme: Scheme,
    /// The BMC that all of them are, in place of their models'.
    pub recorded: Option<Arc<Recorded>>,
}

/// A BMC's user and password; the same for the whole rack.
#[derive(Clone, Debug)]
pub struct Login {
    /// User.
    pub user: String,
    /// Password.
    pub password: SecretString,
}

/// How much of a file is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// All of it.
    Whole,
    /// So many bytes from its beginning, for fleets on one machine.
    Beginning(u64),
}

/// How BMCs are spoken to; their socket takes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS, with a certificate the rack signed itself.
    Https,
}

/// The rack cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No machines, or more than there are addresses for.
    #[error("{0} machines; from 1 to {most} are possible", most = hardware::MOST)]
    Machines(u32),
    /// No such model.
    #[error("there is no model \"{0}\"; there are {known}", known = names())]
    Model(String),
}

impl Spec {
    /// A rack of `machines` plain machines that boot from `boot_url`.
    pub fn new(machines: u32, boot_url: impl Into<String>, login: Login) -> Self {
        Self {
            machines,
            per_rack: 40,
            models: vec![&models::GENERIC],
            seed: 1,
            pace: Pace::instant(),
            chaos: 0.0,
            faults: Vec::new(),
            boot_url: boot_url.into(),
            dhcp: None,
            relay: IpAddr::from([127, 0, 0, 1]),
            ramdisk: Fetch::Whole,
            login,
            scheme: Scheme::Http,
            recorded: None,
        }
    }

    /// Is it possible?
    ///
    /// # Errors
    /// It is not.
    pub fn check(&self) -> Result<(), Error> {
        if (1..=hardware::MOST).contains(&self.machines) {
            Ok(())
        } else {
            Err(Error::Machines(self.machines))
        }
    }
}

/// The models named in `text`, by commas.
///
/// # Errors
/// One is not known.
pub fn models(text: &str) -> Result<Vec<&'static Model>, Error> {
    let model =
        |name: &str| models::named(name.trim()).ok_or_else(|| Error::Model(name.chars().take(40).collect()));
    text.split(',').map(model).collect()
}

fn names() -> String {
    models::ALL.map(|model| model.name).join(", ")
}
