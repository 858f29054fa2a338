//! The store as the controllers' read-only window on other objects.

use async_trait::async_trait;
use underlay_core::{
    Cancellation, Key, Kind, ObjectId, SecretString, View, credential,
    observation::{Observation, Source},
    view::{self, Census, RawObject},
};

use crate::{Error, Record, Store, object::record::select_records, sql};

fn failed(what: impl Into<String>) -> impl FnOnce(Error) -> view::Error {
    let what = what.into();
    move |error| view::Error::Read { what, source: Box::new(error) }
}

fn unless_gone(record: Option<Record>) -> Option<RawObject> {
    record.map(|record| record.raw).filter(|raw| raw.meta.purged_at.is_none())
}

impl Store {
    /// The object that `from`'s owner means by `name`; see [`View::by_name`].
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn resolve(&self, from: &Key, kind: Kind, name: &str) -> Result<Option<Record>, Error> {
        let (owner, name) = match name.split_once('/') {
            Some((owner, name)) => (Some(owner), name),
            None => (None, name),
        };
        let rows = sql::query(select_records!(
            "WHERE o.kind = $1 AND o.site = $2 AND o.name = $3 AND ($4 = '' OR o.owner = $4) \
             AND o.purged_at IS NULL"
        ))
        .bind(kind.as_str())
        .bind(from.site.as_str())
        .bind(name)
        .bind(owner.unwrap_or(""))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("resolving a name"))?;
        let mut records = rows.iter().map(Record::read).collect::<Result<Vec<_>, _>>()?;
        if owner.is_none()
            && let Some(own) = records.iter().position(|record| record.raw.meta.key.owner == from.owner)
        {
            return Ok(Some(records.swap_remove(own)));
        }
        Ok(if records.len() == 1 { records.pop() } else { None })
    }
}

#[async_trait]
impl View for Store {
    async fn by_id(&self, id: ObjectId) -> Result<Option<RawObject>, view::Error> {
        self.get(id).await.map(unless_gone).map_err(failed(format!("object {id}")))
    }

    async fn by_name(&self, from: &Key, kind: Kind, name: &str) -> Result<Option<RawObject>, view::Error> {
        let found = self.resolve(from, kind, name).await;
        found.map(unless_gone).map_err(failed(format!("{kind} {name}")))
    }

    async fn observation(&self, id: ObjectId, source: Source) -> Result<Option<Observation>, view::Error> {
        let what = format!("the {} observation of {id}", source.as_str());
        self.observation_from(id, source).await.map_err(failed(what))
    }

    async fn holder(&self, host: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        Store::holder(self, host).await.map_err(failed(format!("the claim on host {host}")))
    }

    async fn claim(&self, machine: ObjectId) -> Result<Option<ObjectId>, view::Error> {
        Store::claim(self, machine).await.map_err(failed(format!("the claim of machine {machine}")))
    }

    async fn wants(&self, pool: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        Store::wants(self, pool).await.map_err(failed("who wants a host"))
    }

    async fn members(&self, pool: ObjectId) -> Result<Vec<(RawObject, Option<ObjectId>)>, view::Error> {
        let found = Store::members(self, pool).await.map_err(failed("the hosts of a pool"))?;
        Ok(found.into_iter().map(|(record, holder)| (record.raw, holder)).collect())
    }

    async fn tenants(&self, pool: ObjectId) -> Result<Vec<RawObject>, view::Error> {
        let found = Store::tenants(self, pool).await.map_err(failed("the machines of a pool"))?;
        Ok(found.into_iter().map(|record| record.raw).collect())
    }

    async fn census(&self, pool: ObjectId) -> Result<Census, view::Error> {
        Store::census(self, pool).await.map_err(failed("how full a pool is"))
    }

    async fn accused(&self, pool: ObjectId, shared: &(String, String)) -> Result<Vec<ObjectId>, view::Error> {
        Store::accused(self, pool, shared).await.map_err(failed("what failed in a pool"))
    }

    async fn credential(
        &self,
        from: &Key,
        name: &str,
    ) -> Result<Option<(String, SecretString)>, view::Error> {
        let since = match self.inner.logins.get(from, name) {
            Ok(login) => return Ok(login),
            Err(since) => since,
        };
        let Some(raw) = self.by_name(from, Kind::Credential, name).await? else { return Ok(None) };
        let object = raw.decode::<credential::Credential>()?;
        let secret = View::secret(self, object.meta.id, credential::SECRET).await?;
        let login = secret.map(|secret| (object.spec.username, secret));
        self.inner.logins.keep(from, name, since, &login);
        Ok(login)
    }

    async fn cancellation(&self, id: ObjectId) -> Result<Option<Cancellation>, view::Error> {
        self.cancellation_of(id).await.map_err(failed(format!("the cancellation of {id}")))
    }

    async fn secret(&self, id: ObjectId, name: &str) -> Result<Option<SecretString>, view::Error> {
        match Store::secret(self, id, name).await {
            Err(Error::Unseal { .. }) => Err(view::Error::Unseal { name: name.to_owned() }),
            other => other.map_err(failed(format!("secret {name} of {id}"))),
        }
    }
}
