//! The machines of one rack and what they share: the seed, the pace, the faults, the way to the boot endpoint.
//!
//! - [`spec`]: what a rack is to be; [`inventory`]: what is written for whoever enrols it

pub mod inventory;
pub mod spec;

use std::{
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OnceCell, watch},
    task::AbortHandle,
};

pub use spec::Spec;

use crate::{
    bmc::asked::Ledger,
    boot::dhcp::{self, Relay},
    dice,
    fault::{chaos::Chaos, rules::Faults},
    machine::{Machine, disk::Written},
    pace::{Pace, Settling},
};

/// A rack.
#[derive(Debug)]
pub struct Rack {
    /// What it was made from.
    pub spec: Spec,
    /// Its machines, by number.
    pub machines: Vec<Arc<Machine>>,
    /// What goes wrong.
    pub faults: Faults,
    /// What its BMCs were asked to change.
    pub asked: Ledger,
    /// What is on disks, each once.
    images: Mutex<Vec<Arc<Written>>>,
    changes: watch::Sender<u64>,
    relay: OnceCell<Arc<Relay>>,
}

impl Rack {
    /// A rack of machines that are off and blank.
    pub fn new(spec: Spec) -> Arc<Self> {
        let machine = |index: u32| {
            let kinds = u32::try_from(spec.models.len()).unwrap_or(1).max(1);
            let model = usize::try_from(index % kinds).ok().and_then(|kind| spec.models.get(kind).copied());
            let model = model.unwrap_or(&crate::models::GENERIC);
            Arc::new(Machine::new(index, model, spec.seed, spec.per_rack))
        };
        let machines = (0..spec.machines).map(machine).collect();
        let chaos = (spec.chaos > 0.0).then_some(Chaos { probability: spec.chaos, seed: spec.seed });
        let faults = Faults::new(spec.seed, chaos);
        for order in spec.faults.iter().cloned() {
            if let Err(error) = faults.add(order) {
                tracing::warn!(%error, "a fault is left out");
                break;
            }
        }
        Arc::new(Self {
            spec,
            machines,
            faults,
            asked: Ledger::default(),
            images: Mutex::default(),
            changes: watch::Sender::new(0),
            relay: OnceCell::new(),
        })
    }

    /// The machine in that place.
    pub fn named(&self, name: &str) -> Option<&Arc<Machine>> {
        self.machines.iter().find(|machine| machine.name() == name)
    }

    /// The machine of that number.
    pub fn machine(&self, index: u32) -> Option<&Arc<Machine>> {
        self.machines.get(usize::try_from(index).ok()?)
    }

    /// How long things take.
    pub fn pace(&self) -> &Pace {
        &self.spec.pace
    }

    /// Ends every life in it. What its machines ran is gone with that, as in a power cut.
    pub fn unplug(&self) {
        self.machines.iter().for_each(|machine| machine.unplug());
    }

    /// Counts changes; moves whenever a machine does something else.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn spawn(&self, life: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        tokio::spawn(life).abort_handle()
    }

    /// Waits for something a machine does that takes a time from `range`.
    pub(crate) async fn takes(&self, machine: &Machine, range: &RangeInclusive<Duration>) {
        let boots = machine.state().boots;
        let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let words = [u64::from(machine.index), u64::from(boots), micros(range.start()), micros(range.end())];
        let time = dice::within(range, dice::throw(self.spec.seed, &words));
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    /// Waits as a program does before it tries again; a tenth of it in a rack where nothing takes time.
    pub(crate) async fn pauses(&self, time: Duration) {
        let part = if self.spec.pace.settling == Settling::AtOnce { time / 10 } else { time };
        tokio::time::sleep(part).await;
    }

    /// Plugs its network in, where its firmware asks a DHCP server: better told now than at each boot that it cannot.
    ///
    /// # Errors
    /// The relay's port cannot be had.
    pub async fn plug_in(&self) -> Result<(), dhcp::Error> {
        if self.spec.dhcp.is_some() {
            self.relay().await?;
        }
        Ok(())
    }

    /// The relay between its machines and the DHCP server; set up when it is first needed.
    pub(crate) async fn relay(&self) -> Result<Arc<Relay>, dhcp::Error> {
        self.relay.get_or_try_init(|| Relay::start(self.spec.relay)).await.cloned()
    }

    /// The one description of an image that all disks share.
    pub(crate) fn image(&self, written: Written) -> Arc<Written> {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.retain(|known| Arc::strong_count(known) > 1 || **known == written);
        if let Some(known) = images.iter().find(|known| ***known == written) {
            return known.clone();
        }
        let written = Arc::new(written);
        images.push(written.clone());
        written
    }
}
