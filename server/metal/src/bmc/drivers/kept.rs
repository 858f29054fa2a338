//! How the drivers of IPMI hosts and of hosts that somebody else switches are made, and kept for as long as what they were
//! made from stays the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use underlay_core::{
    ErrorKind, Object, ObjectId, View,
    bmc::{Bmc, Error},
    host::{self, Host},
    observation::{Body, Source},
};

use super::{Drivers, credential, own_login};
use crate::bmc::{
    Login,
    ipmi::Ipmi,
    manual::{Known, Manual},
};

/// Drivers by their host, with what each was made from.
pub(super) struct Kept<O, D>(Mutex<HashMap<ObjectId, (O, Arc<D>)>>);

impl<O, D> Default for Kept<O, D> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<O: PartialEq, D> Kept<O, D> {
    /// The one that was made from just this, or a new one.
    fn get(
        &self,
        host: ObjectId,
        origin: O,
        make: impl FnOnce(&O) -> Result<D, Error>,
    ) -> Result<Arc<D>, Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, driver)) = kept.get(&host).filter(|(before, _)| *before == origin) {
            return Ok(driver.clone());
        }
        let driver = Arc::new(make(&origin)?);
        kept.insert(host, (origin, driver.clone()));
        Ok(driver)
    }

    #[cfg(test)]
    pub(super) fn kept(&self, host: ObjectId) -> Option<Arc<D>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&host).map(|(_, driver)| driver.clone())
    }

    /// The host is not ours any more.
    pub(super) fn drop(&self, host: ObjectId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
    }
}

/// What the driver of an IPMI host is made from.
#[derive(PartialEq)]
pub(super) struct IpmiOrigin {
    spec: host::Ipmi,
    boot: host::Boot,
    identity: host::Identity,
    login: Login,
}

/// What the driver of a host that somebody else switches is made from.
#[derive(PartialEq)]
pub(super) struct ManualOrigin {
    spec: host::Manual,
    boot: host::Boot,
    identity: host::Identity,
    login: Option<Login>,
}

impl Drivers {
    pub(super) async fn ipmi(
        &self,
        host: &Object<Host>,
        wanted: &host::Ipmi,
        view: &dyn View,
    ) -> Result<Arc<dyn Bmc>, Error> {
        let login = credential(host, &wanted.credential, view).await?;
        // It was given one of its own when it was spoken to in Redfish.
        let is_known = host.status.own_password.as_ref().is_some_and(|own| own.since.is_some());
        let own = own_login(host, &login.user, view).await?.filter(|_| is_known);
        let login = own.unwrap_or(login);
        let origin = IpmiOrigin {
            spec: wanted.clone(),
            boot: host.spec.boot.clone(),
            identity: host.spec.identity.clone(),
            login,
        };
        let driver = self.held.ipmi.get(host.meta.id, origin, |made| {
            Ipmi::new(&made.spec, &made.boot, &made.identity, made.login.clone())
        })?;
        // One BMC is one, however it is written.
        let address = wanted.endpoint().map(|(name, port)| format!("{name}:{port}"));
        Ok(self.metered(host.meta.id, address.unwrap_or_else(|_| wanted.address.clone()), driver))
    }

    pub(super) async fn manual(
        &self,
        host: &Object<Host>,
        wanted: &host::Manual,
        view: &dyn View,
    ) -> Result<Arc<dyn Bmc>, Error> {
        let login = match &wanted.credential {
            Some(name) => Some(credential(host, name, view).await?),
            None => None,
        };
        let origin = ManualOrigin {
            spec: wanted.clone(),
            boot: host.spec.boot.clone(),
            identity: host.spec.identity.clone(),
            login,
        };
        let id = host.meta.id;
        let driver = self.held.manual.get(id, origin, |made| {
            Manual::new(&made.spec, made.login.clone(), &host.meta.key, &made.identity, made.boot.mode)
        })?;
        driver.knowing(known(id, view).await?);
        Ok(match driver.address() {
            Some(webhook) => self.metered(id, webhook.to_owned(), driver),
            // A person keeps their own pace.
            None => self.unmetered(id, format!("manual:{id}"), driver),
        })
    }
}

/// What was said of the host, and when it was heard of last.
async fn known(host: ObjectId, view: &dyn View) -> Result<Known, Error> {
    let unread = |error: underlay_core::view::Error| match error.kind() {
        ErrorKind::Transient => {
            Error::Local { wish: "read what was said of the host".into(), source: Box::new(error) }
        }
        _ => Error::Invalid(error.to_string()),
    };
    let mut known = Known::default();
    if let Some(said) = view.observation(host, Source::Person).await.map_err(unread)?
        && let Body::Confirmed { power, at, .. } = said.body
    {
        known.confirmed = Some((power, at));
    }
    for source in [Source::Boot, Source::Inventory, Source::Agent, Source::PhoneHome] {
        let heard = view.observation(host, source).await.map_err(unread)?.map(|heard| heard.at);
        known.heard_of = known.heard_of.max(heard);
    }
    Ok(known)
}
