//! The scripted BMC and the map that finds it by host name.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use underlay_core::{
    Object, View,
    bmc::{
        Accounts, Bmc, Bmcs, CALL_LIMIT, Error, Login, MediaUrl, Observation, Power, Target, VirtualMedia,
    },
    host::Host,
};

use super::quirks::{Fault, Times};

/// The password that accounts have when nobody has changed it.
pub const FACTORY: &str = "factory";

/// A call that was made, whether it went well or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `observe`
    Observe,
    /// `ensure_power`
    Power(Power),
    /// `ensure_next_boot`
    NextBoot(Target),
    /// `ensure_media`
    Media(Medium),
    /// `ensure_password`
    Password,
    /// `forget`
    Forget,
}

/// What is wanted of a virtual CD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// An image in it.
    In,
    /// None of ours.
    Out,
}

/// A scripted BMC; clones are the same one.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<Script>>);

struct Script {
    seen: Observation,
    /// The image in its virtual CD.
    image: Option<String>,
    /// The password of its account.
    password: String,
    calls: Vec<(Call, Option<Fault>)>,
    /// What each firmware run of the host started from.
    boots: Vec<Target>,
    faults: Vec<(Option<Call>, Fault, Times)>,
}

impl Default for Fake {
    fn default() -> Self {
        Self::new(Observation {
            power: Power::Off,
            next_boot: Some(Target::Disk),
            serial: None,
            uuid: None,
            macs: Vec::new(),
            forwards: Default::default(),
            boots: Some(0),
            certificate: None,
            facts: Default::default(),
        })
    }
}

impl Fake {
    /// A host that is as `seen` says.
    pub fn new(seen: Observation) -> Self {
        let (calls, boots, faults) = (Vec::new(), Vec::new(), Vec::new());
        Self(Arc::new(Mutex::new(Script {
            seen,
            image: None,
            password: FACTORY.into(),
            calls,
            boots,
            faults,
        })))
    }

    /// From now on `call` (any call for `None`) goes wrong; the newest fault counts.
    pub fn break_down(&self, call: Option<Call>, fault: Fault, times: Times) {
        self.script().faults.push((call, fault, times));
    }

    /// No fault is left.
    pub fn mend(&self) {
        self.script().faults.clear();
    }

    /// Change what it sees behind its back: somebody pressed the button.
    pub fn change(&self, change: impl FnOnce(&mut Observation)) {
        change(&mut self.script().seen);
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.script().calls.iter().map(|(call, _)| *call).collect()
    }

    /// How many calls there were.
    pub fn count(&self) -> usize {
        self.script().calls.len()
    }

    /// Every call from number `first` on, and what went wrong with it.
    pub fn trace(&self, first: usize) -> Vec<(Call, Option<Fault>)> {
        self.script().calls.iter().skip(first).copied().collect()
    }

    /// What each power-on started from.
    pub fn boots(&self) -> Vec<Target> {
        self.script().boots.clone()
    }

    /// The image in its virtual CD, without a call.
    pub fn image(&self) -> Option<String> {
        self.script().image.clone()
    }

    /// The password of its account, without a call.
    pub fn password(&self) -> String {
        self.script().password.clone()
    }

    /// What it sees, without a call.
    pub fn seen(&self) -> Observation {
        self.script().seen.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Log the call, then let it go wrong where it is to.
    async fn goes_well(&self, call: Call) -> Result<Went, Error> {
        let fault = self.script().enter(call);
        match fault {
            None => Ok(Went::Well),
            Some(Fault::Lie) => Ok(Went::Nowhere),
            Some(Fault::Claims(power)) => Ok(Went::Claims(power)),
            Some(Fault::Slow) => {
                tokio::time::sleep(CALL_LIMIT - Duration::from_secs(1)).await;
                Ok(Went::Well)
            }
            Some(Fault::Hang) => pending().await,
            Some(fault) => fault.error().map_or(Ok(Went::Well), Err),
        }
    }
}

/// How a call went that shows no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    /// As it should.
    Well,
    /// Nothing was done.
    Nowhere,
    /// The BMC tells of this power state.
    Claims(Power),
}

impl Went {
    fn anywhere(self) -> bool {
        self != Self::Nowhere
    }
}

impl Script {
    fn enter(&mut self, call: Call) -> Option<Fault> {
        let fault = self.fault(call);
        self.calls.push((call, fault));
        fault
    }

    fn fault(&mut self, call: Call) -> Option<Fault> {
        let fits = |(on, _, _): &(Option<Call>, Fault, Times)| on.is_none_or(|on| on == call);
        let position = self.faults.iter().rposition(fits)?;
        let (_, fault, times) = self.faults.get(position).copied()?;
        if times == Times::Once {
            self.faults.remove(position);
        }
        Some(fault)
    }

    fn switch(&mut self, power: Power) {
        if power == Power::On && self.seen.power != Power::On {
            self.boots.push(self.seen.next_boot.unwrap_or(Target::Disk));
            self.seen.next_boot = Some(Target::Disk);
            self.seen.boots = self.seen.boots.map(|boots| boots + 1);
        }
        self.seen.power = power;
    }
}

#[async_trait]
impl Bmc for Fake {
    async fn observe(&self) -> Result<Observation, Error> {
        let fault = self.goes_well(Call::Observe).await?;
        let seen = self.seen();
        Ok(match fault {
            Went::Claims(power) => Observation { power, ..seen },
            Went::Well | Went::Nowhere => seen,
        })
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        if power == Power::Unknown {
            return Err(Error::Invalid("a host is switched on or off, nothing else".into()));
        }
        if self.goes_well(Call::Power(power)).await?.anywhere() {
            self.script().switch(power);
        }
        Ok(())
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        if self.goes_well(Call::NextBoot(target)).await?.anywhere() {
            self.script().seen.next_boot = Some(target);
        }
        Ok(())
    }

    fn virtual_media(&self) -> Option<&dyn VirtualMedia> {
        Some(self)
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        Some(self)
    }

    async fn forget(&self) -> Result<(), Error> {
        self.goes_well(Call::Forget).await.map(|_| ())
    }
}

#[async_trait]
impl VirtualMedia for Fake {
    async fn ensure_media(&self, image: Option<&MediaUrl>) -> Result<(), Error> {
        let image = image.map(|MediaUrl(url)| url.expose_secret().to_owned());
        let call = Call::Media(if image.is_some() { Medium::In } else { Medium::Out });
        if self.goes_well(call).await?.anywhere() {
            self.script().image = image;
        }
        Ok(())
    }
}

#[async_trait]
impl Accounts for Fake {
    async fn ensure_password(&self, wanted: &Login) -> Result<(), Error> {
        if self.goes_well(Call::Password).await?.anywhere() {
            self.script().password = wanted.password.expose_secret().to_owned();
        }
        Ok(())
    }
}

/// Scripted BMCs by host name; one that was not put is a fresh default.
#[derive(Clone, Default)]
pub struct Fakes(Arc<Mutex<HashMap<String, Fake>>>);

impl Fakes {
    /// The BMC of the host named `name`.
    pub fn of(&self, name: &str) -> Fake {
        let mut fakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fakes.entry(name.to_owned()).or_default().clone()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<(String, Fake)> {
        let fakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fakes.iter().map(|(name, fake)| (name.clone(), fake.clone())).collect()
    }

    /// From now on the host named `name` has this BMC.
    pub fn put(&self, name: &str, fake: Fake) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), fake);
    }
}

#[async_trait]
impl Bmcs for Fakes {
    async fn bmc(&self, host: &Object<Host>, _view: &dyn View) -> Result<Arc<dyn Bmc>, Error> {
        Ok(Arc::new(self.of(host.meta.key.name.as_str())))
    }
}
