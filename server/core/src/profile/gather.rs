//! Reads what a machine may inherit from. The API and the controller ask the same question, so that what a plan said is what
//! a deployment does.

use super::{Inheritance, Lender, Profile, Values};
use crate::{Key, Kind, Object, View, host::Host, machine, pool::Pool, site::Site, view};

impl Inheritance {
    /// What the machine of this key and spec may inherit; `host` is the one that it has, or names. A machine without
    /// profiles inherits nothing, and nothing is read for it.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn gather(
        view: &dyn View,
        key: &Key,
        spec: &machine::Spec,
        host: Option<&Object<Host>>,
    ) -> Result<Self, view::Error> {
        let mut inheritance = Self::default();
        if spec.profiles.is_empty() {
            return Ok(inheritance);
        }
        for (at, name) in spec.profiles.iter().enumerate() {
            match view.by_name(key, Kind::Profile, name).await? {
                Some(raw) => {
                    let profile = raw.decode::<Profile>()?;
                    inheritance.profiles.push(Lender {
                        id: profile.meta.id,
                        name: name.clone(),
                        spec: profile.spec,
                    });
                }
                None => inheritance.missing.push((at, name.clone())),
            }
        }
        inheritance.pool = pool(view, key, spec, host).await?;
        let site = view.by_name(key, Kind::Site, key.site.as_str()).await?;
        let site = site.map(|raw| raw.decode::<Site>()).transpose()?;
        inheritance.site = site.map(|site| (site.meta.key.name.to_string(), site.spec.values));
        Ok(inheritance)
    }
}

/// The pool that the machine asks for a host, or that of the host it names.
async fn pool(
    view: &dyn View,
    key: &Key,
    spec: &machine::Spec,
    host: Option<&Object<Host>>,
) -> Result<Option<(String, Values)>, view::Error> {
    let raw = match (&spec.require, host) {
        (Some(require), _) => view.by_name(key, Kind::Pool, &require.pool).await?,
        (None, Some(host)) => view.by_name(&host.meta.key, Kind::Pool, &host.spec.pool).await?,
        (None, None) => None,
    };
    let pool = raw.map(|raw| raw.decode::<Pool>()).transpose()?;
    Ok(pool.map(|pool| (pool.meta.key.name.to_string(), pool.spec.values)))
}
