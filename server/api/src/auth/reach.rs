//! How far a token may write: one owner, one site, one pool, or any of them. The one place where that is decided.

use underlay_core::{ErrorKind, Failure, Key, Name};

use super::Caller;
use crate::errors::Error;

/// What a token is bound to; what is left out is not bound. Reading is not bound by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The only owner it may write as.
    pub owner: Option<Name>,
    /// The only site in which it may write.
    pub site: Option<Name>,
    /// The only pool whose hosts, and machines on them, it may write.
    pub pool: Option<Name>,
}

/// Which pools a write is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pools {
    /// It is of no pool and touches none: an image, or a call that only looks.
    Untouched,
    /// It is of no pool and may touch all of them: a network, a credential.
    Shared,
    /// Just these; a host or machine that goes from one to another is about both.
    Of(Vec<Name>),
}

impl Pools {
    /// Pools by their mentions, `NAME` or `OWNER/NAME`, where those are good ones. A token is bound to a name in its site.
    pub(crate) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let name = |mention: &str| mention.rsplit('/').next().and_then(|name| name.parse().ok());
        Pools::Of(names.into_iter().filter_map(name).collect())
    }
}

impl Reach {
    fn has(&self, key: &Key, pools: &Pools) -> bool {
        let is = |bound: &Option<Name>, name: &Name| bound.as_ref().is_none_or(|bound| bound == name);
        is(&self.owner, &key.owner) && is(&self.site, &key.site) && self.has_pools(pools)
    }

    /// Has it all of these pools?
    pub(crate) fn has_pools(&self, pools: &Pools) -> bool {
        let Some(bound) = &self.pool else { return true };
        match pools {
            Pools::Untouched => true,
            Pools::Shared => false,
            // A machine for which no host is known yet has no pool to be let into.
            Pools::Of(pools) => !pools.is_empty() && pools.iter().all(|pool| pool == bound),
        }
    }
}

impl Caller {
    /// May it write the object of that key, in those pools?
    pub(crate) fn may_write(&self, key: &Key, pools: &Pools) -> bool {
        self.reach.has(key, pools)
    }

    /// The same, as a check that a handler begins with.
    pub(crate) fn must_write(&self, key: &Key, pools: &Pools) -> Result<(), Error> {
        if self.may_write(key, pools) {
            return Ok(());
        }
        let Reach { owner, site, pool } = &self.reach;
        let name = &self.name;
        let (why, next) = if let Some(owner) = owner.as_ref().filter(|owner| **owner != key.owner) {
            (
                format!("token \"{name}\" may write as owner {owner} only, not as {}", key.owner),
                format!(
                    "set owner = \"{owner}\" in the provider block, or ask an admin for a token of owner {}: underlay \
                     token create NAME --only-owner {}",
                    key.owner, key.owner
                ),
            )
        } else if let Some(site) = site.as_ref().filter(|site| **site != key.site) {
            (
                format!("token \"{name}\" may write in site {site} only, not in {}", key.site),
                format!(
                    "ask an admin for a token of that site: underlay token create NAME --only-site {}",
                    key.site
                ),
            )
        } else {
            let bound = pool.as_ref().map(Name::as_str).unwrap_or_default();
            let (what, flag) = outside(bound, pools);
            (
                format!("token \"{name}\" may write in pool {bound} only, {what}"),
                format!("ask an admin for another token: underlay token create NAME {flag}"),
            )
        };
        let what = format!("writing {}", key.name);
        Err(Error::Forbidden(Box::new(Failure::new(
            ErrorKind::Invalid,
            what,
            why,
            "nothing was changed",
            next,
        ))))
    }
}

/// Where a write is that a token of pool `bound` may not make, and with which flag one may.
fn outside(bound: &str, pools: &Pools) -> (String, String) {
    let without = "without --only-pool".to_owned();
    match pools {
        Pools::Of(pools) => match pools.iter().find(|pool| pool.as_str() != bound) {
            Some(other) => (format!("not in pool {other}"), format!("--only-pool {other}")),
            None => ("and no host of a pool is named here".to_owned(), without),
        },
        Pools::Untouched | Pools::Shared => ("and this serves every pool".to_owned(), without),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_reaches_what_it_is_bound_to_and_no_more() {
        let key = Key { site: name("berlin"), owner: name("web"), name: name("a") };
        let bound = |owner: Option<&str>, site: Option<&str>, pool: Option<&str>| Reach {
            owner: owner.map(name),
            site: site.map(name),
            pool: pool.map(name),
        };
        let gold = Pools::named(["gold"]);
        assert!(bound(None, None, None).has(&key, &Pools::Shared));
        assert!(bound(Some("web"), Some("berlin"), Some("gold")).has(&key, &gold));
        assert!(!bound(Some("db"), None, None).has(&key, &gold));
        assert!(!bound(None, Some("paris"), None).has(&key, &gold));
        assert!(!bound(None, None, Some("iron")).has(&key, &gold));
        assert!(
            !bound(None, None, Some("gold")).has(&key, &Pools::named(["gold", "iron"])),
            "a move needs both"
        );
        assert!(!bound(None, None, Some("gold")).has(&key, &Pools::Shared));
        assert!(!bound(None, None, Some("gold")).has(&key, &Pools::named([])));
        assert!(bound(None, None, Some("gold")).has(&key, &Pools::Untouched));
    }
}
