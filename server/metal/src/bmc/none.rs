//! No driver: a host that was adopted while it ran. It is on while the agent that lives on it is heard, and not known
//! otherwise; nothing ever switches it, sets what it boots, or does anything to it when it is forgotten.

use async_trait::async_trait;
use jiff::Timestamp;
use underlay_core::{
    Object, View,
    bmc::{Bmc, Error, Observation, Power, Target},
    host::{Facts, Host},
    observation::{Body, Source},
    resident,
};

/// What stands in for a driver.
pub struct NoDriver {
    host: String,
    power: Power,
}

impl NoDriver {
    /// For `host`, as its agent is heard at `now`.
    ///
    /// # Errors
    /// [`Error::Local`] where the store cannot be read.
    pub async fn new(host: &Object<Host>, view: &dyn View, now: Timestamp) -> Result<Self, Error> {
        let unreadable =
            |source| Error::Local { wish: "read who was heard".into(), source: Box::new(source) };
        let seen = view.observation(host.meta.id, Source::Resident).await.map_err(unreadable)?;
        let is_heard = seen.is_some_and(|seen| match seen.body {
            Body::Resident { line, .. } => resident::is_heard(line, seen.at, now),
            _ => false,
        });
        let power = if is_heard { Power::On } else { Power::Unknown };
        Ok(Self { host: host.meta.key.name.to_string(), power })
    }

    fn unsupported(&self, wish: &str) -> Error {
        let host = &self.host;
        Error::Unsupported {
            address: format!("host {host}"),
            wish: wish.into(),
            why: format!(
                "it was adopted with none = {{}}; give it a driver: redfish, ipmi or manual = {{...}} in underlay_host.{host}"
            ),
        }
    }
}

#[async_trait]
impl Bmc for NoDriver {
    async fn observe(&self) -> Result<Observation, Error> {
        Ok(Observation {
            power: self.power,
            next_boot: None,
            serial: None,
            uuid: None,
            macs: Vec::new(),
            forwards: Default::default(),
            certificate: None,
            boots: None,
            facts: Facts::default(),
        })
    }

    async fn ensure_power(&self, _: Power) -> Result<(), Error> {
        Err(self.unsupported("be switched"))
    }

    async fn ensure_next_boot(&self, _: Target) -> Result<(), Error> {
        Err(self.unsupported("be told what to boot"))
    }

    async fn forget(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
