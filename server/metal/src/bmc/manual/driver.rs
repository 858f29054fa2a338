//! The wishes of a host that somebody else switches.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use underlay_core::{
    Key,
    bmc::{Bmc, Error, Observation, Power, Target},
    host::{self, Facts, Firmware, Identity},
};

use super::{
    super::Login,
    client::{Client, From, Wish},
    quirks::Known,
};

/// How soon a wish that was accepted, and has not come true, is told again: there may be a person behind a webhook.
const AGAIN: Duration = Duration::from_secs(300);

/// The driver of a host that somebody else switches.
pub struct Manual {
    webhook: Option<Client>,
    mode: Firmware,
    known: Mutex<Known>,
    /// The wishes that were accepted last, and when.
    told: Mutex<Vec<(Instant, Wish)>>,
}

impl Manual {
    /// The driver of the host with that name; nothing is contacted yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a webhook that is no URL.
    pub fn new(
        manual: &host::Manual,
        login: Option<Login>,
        key: &Key,
        identity: &Identity,
        mode: Firmware,
    ) -> Result<Self, Error> {
        let webhook =
            manual.webhook.as_ref().map(|url| Client::new(url, login, key, identity)).transpose()?;
        Ok(Self { webhook, mode, known: Mutex::default(), told: Mutex::default() })
    }

    /// Who is behind it, for logs and the queue; `None` where it is a person.
    pub(crate) fn address(&self) -> Option<&str> {
        self.webhook.as_ref().map(Client::address)
    }

    /// What is known by now without asking.
    pub(crate) fn knowing(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Tell the webhook, unless it has accepted just that a while ago. A person reads it elsewhere.
    async fn tell(&self, wish: Wish) -> Result<(), Error> {
        let Some(webhook) = &self.webhook else { return Ok(()) };
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.retain(|(at, _)| at.elapsed() < AGAIN);
            if told.iter().any(|(_, before)| *before == wish) {
                return Ok(());
            }
        }
        webhook.tell(wish).await?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // The last word counts.
        told.retain(|(_, before)| std::mem::discriminant(before) != std::mem::discriminant(&wish));
        told.push((Instant::now(), wish));
        Ok(())
    }

    /// A wish that has come true may be told again at once.
    fn saw(&self, power: Power) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, wish)| *wish != Wish::Power { target: power });
        if power == Power::On {
            // What it was to start from is used up.
            told.retain(|(_, wish)| !matches!(wish, Wish::NextBoot { .. }));
        }
    }
}

#[async_trait]
impl Bmc for Manual {
    async fn observe(&self) -> Result<Observation, Error> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match &self.webhook {
            None => Default::default(),
            Some(webhook) => match webhook.tell(Wish::Observe).await {
                // One that only takes wishes.
                Err(Error::Unsupported { .. }) => Default::default(),
                answer => answer?,
            },
        };
        let power = match answer.power {
            Some(power @ (Power::On | Power::Off)) => power,
            Some(Power::Unknown) | None => known.power(),
        };
        self.saw(power);
        Ok(Observation {
            power,
            next_boot: answer.next_boot.map(From::target),
            serial: None,
            uuid: None,
            macs: Vec::new(),
            forwards: Default::default(),
            certificate: None,
            boots: None,
            facts: Facts::default(),
        })
    }

    async fn ensure_power(&self, power: Power) -> Result<(), Error> {
        if power == Power::Unknown {
            return Err(Error::Invalid("a host is switched on or off, nothing else".into()));
        }
        self.tell(Wish::Power { target: power }).await
    }

    async fn ensure_next_boot(&self, target: Target) -> Result<(), Error> {
        self.tell(Wish::NextBoot { target: From::of(target), mode: self.mode }).await
    }

    async fn forget(&self) -> Result<(), Error> {
        match self.tell(Wish::Forget).await {
            Err(Error::Unsupported { .. }) => Ok(()),
            told => told,
        }
    }
}
