//! The rules of every noun but machines and profiles.

use async_trait::async_trait;
use underlay_core::{
    ErrorKind, Failure, Key, Object,
    credential::{self, Credential},
    host::{self, Host},
    image::{self, Image},
    network::Network,
    pool::Pool,
    site::Site,
    step::Step,
};

use super::{Rules, references};
use crate::{auth::Pools, context::Context, errors::Error};

#[async_trait]
impl Rules for Host {
    async fn pools(
        _: &Context,
        _: &Key,
        spec: Option<&host::Spec>,
        existing: Option<&Object<Host>>,
    ) -> Result<Pools, Error> {
        let present = existing.map(|host| host.spec.pool.as_str());
        Ok(Pools::named(spec.map(|spec| spec.pool.as_str()).into_iter().chain(present)))
    }

    fn unprotects(spec: &host::Spec, existing: Option<&Object<Host>>) -> bool {
        !spec.protected && existing.is_some_and(|host| host.spec.protected)
    }

    async fn keeps(context: &Context, host: &Object<Host>) -> Result<Option<Failure>, Error> {
        let name = &host.meta.key.name;
        if host.spec.protected {
            let failure = Failure::new(
                ErrorKind::Invalid,
                format!("deleting host {name}"),
                "it is protected",
                "nothing was deleted",
                format!("Write protected = false in underlay_host.{name} and apply that first"),
            );
            return Ok(Some(failure.at("protected")));
        }
        let holder = context.store.holder(host.meta.id).await?;
        // One that is being cleaned holds itself.
        if let Some(machine) = holder.filter(|holder| *holder != host.meta.id) {
            let machine = match context.store.get(machine).await? {
                Some(record) => format!("{} (owner {})", record.raw.meta.key.name, record.raw.meta.key.owner),
                None => machine.to_string(),
            };
            return Ok(Some(Failure::new(
                ErrorKind::Invalid,
                format!("deleting host {name}"),
                format!("it carries machine {machine}"),
                "nothing was deleted",
                format!("Destroy machine {machine} first"),
            )));
        }
        references::still_used(context, &host.meta).await
    }
}

#[async_trait]
impl Rules for Pool {}

#[async_trait]
impl Rules for Network {}

#[async_trait]
impl Rules for Credential {
    const SECRET: Option<&'static str> = Some(credential::SECRET);
}

#[async_trait]
impl Rules for Site {}

#[async_trait]
impl Rules for Step {}

#[async_trait]
impl Rules for Image {
    /// An image is of no pool, and touches no host until a machine names it.
    async fn pools(
        _: &Context,
        _: &Key,
        _: Option<&image::Spec>,
        _: Option<&Object<Image>>,
    ) -> Result<Pools, Error> {
        Ok(Pools::Untouched)
    }
}
