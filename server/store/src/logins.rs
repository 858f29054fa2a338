//! Credentials that were opened, kept until one changes: every call to a BMC wants one, and most hosts share a few.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch::Receiver;
use underlay_core::{Key, Kind, Name, SecretString};

use crate::hint::{Hints, Topic};

/// Kept at most.
const MOST: usize = 4096;

/// A name of a user, and what only it knows; `None` where there is no such credential.
pub(crate) type Login = Option<(String, SecretString)>;

/// Who asked by which name.
type Asked = (Name, Name, String);

/// Credentials as they were when they last changed.
pub(crate) struct Logins {
    /// Counts the changes of credentials.
    changes: Receiver<u64>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The changes seen when they were read.
    at: u64,
    logins: HashMap<Asked, Login>,
}

/// A moment before reading.
#[derive(Clone, Copy)]
pub(crate) struct Moment(u64);

impl Logins {
    pub(crate) fn new(hints: &Hints) -> Self {
        Self { changes: hints.of(&[Topic::Kind(Kind::Credential)]), kept: Mutex::default() }
    }

    fn kept(&self, now: u64) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.at != now || kept.logins.len() >= MOST {
            *kept = Kept { at: now, logins: HashMap::new() };
        }
        kept
    }

    /// What `from`'s owner means by `name`, if it is known; else the moment to name when it was read.
    pub(crate) fn get(&self, from: &Key, name: &str) -> Result<Login, Moment> {
        let now = *self.changes.borrow();
        let asked = (from.site.clone(), from.owner.clone(), name.to_owned());
        self.kept(now).logins.get(&asked).cloned().ok_or(Moment(now))
    }

    /// Keeps what was read after that moment, unless a credential has changed since.
    pub(crate) fn keep(&self, from: &Key, name: &str, since: Moment, login: &Login) {
        let now = *self.changes.borrow();
        if since.0 == now {
            let asked = (from.site.clone(), from.owner.clone(), name.to_owned());
            self.kept(now).logins.insert(asked, login.clone());
        }
    }
}
