//! With which login a BMC is spoken to: one, or that and another of which it takes one. Which it takes is found out by
//! trying, each once; where it takes none of two, it is left alone for a while, because BMCs lock accounts.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::ExposeSecret;
use tokio::time::Instant;
use underlay_core::bmc::Login;

/// How long a BMC that took none of two logins is not tried. Accounts were seen to be locked for 30 s to 5 min after 3 to 5
/// failures; a pair is two.
pub(super) const LEFT_ALONE: Duration = Duration::from_secs(300);

/// The logins of one BMC.
pub(super) struct Logins(Mutex<Held>);

struct Held {
    /// Those to be tried, first one first; never empty.
    all: Vec<Login>,
    /// The one in use.
    at: usize,
    /// When none was taken, and what the BMC said.
    refused: Option<(Instant, String)>,
}

impl Logins {
    pub(super) fn new(login: Login) -> Self {
        Self(Mutex::new(Held { all: vec![login], at: 0, refused: None }))
    }

    /// From now on it is these. The one in use stays in use where it is among them.
    pub(super) fn set(&self, wanted: Vec<Login>) {
        let mut held = self.held();
        let is_known = held.all.len() == wanted.len()
            && wanted.iter().all(|wanted| held.all.iter().any(|known| known == wanted));
        if is_known {
            return;
        }
        let now = held.all.get(held.at).cloned();
        let at = now.and_then(|now| wanted.iter().position(|wanted| *wanted == now));
        *held = Held { at: at.unwrap_or_default(), all: wanted, refused: None };
    }

    /// The one in use.
    pub(super) fn current(&self) -> Login {
        let held = self.held();
        held.all.get(held.at).or(held.all.first()).cloned().expect("there is one at least")
    }

    /// All of them, the one in use first.
    pub(super) fn in_order(&self) -> Vec<Login> {
        let held = self.held();
        let (before, rest) = held.all.split_at(held.at.min(held.all.len()));
        rest.iter().chain(before).cloned().collect()
    }

    /// This one is in use from now on.
    pub(super) fn choose(&self, login: &Login) {
        let mut held = self.held();
        held.refused = None;
        match held.all.iter().position(|known| known == login) {
            Some(at) => held.at = at,
            None => {
                held.all.insert(0, login.clone());
                held.all.truncate(2);
                held.at = 0;
            }
        }
    }

    /// None was taken.
    pub(super) fn all_refused(&self, why: &str) {
        let mut held = self.held();
        if held.all.len() > 1 {
            held.refused = Some((Instant::now(), why.to_owned()));
        }
    }

    /// Why the BMC is not to be tried now.
    pub(super) fn left_alone(&self) -> Option<String> {
        let held = self.held();
        let (at, why) = held.refused.as_ref()?;
        let left = LEFT_ALONE.checked_sub(at.elapsed()).filter(|left| !left.is_zero())?;
        Some(format!(
            "{why}; it takes neither the credential's password nor the host's own, and is tried again in {} s, so \
             that it does not lock the account",
            left.as_secs() + 1
        ))
    }

    /// Text without any of the passwords.
    pub(super) fn mask(&self, text: &str) -> String {
        self.held().all.iter().fold(text.to_owned(), |text, login| match login.password.expose_secret() {
            "" => text,
            password => text.replace(password, "***"),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
