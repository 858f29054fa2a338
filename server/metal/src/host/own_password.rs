//! The password of its own that a host's BMC is given: drawn and kept, then set, then shown to be good; and the way back.
//!
//! Each part is committed before the next is begun. Until it is known which password the BMC has, drivers try both, so that
//! the host is never lost between two. A BMC that will not is a condition: its host stays as usable as it was.

use jiff::Timestamp;
use underlay_core::{
    Effect, ErrorKind, Failure, Object, SecretString, Snapshot, View,
    bmc::{Error, Login},
    host::{Driver, Health, Host, OWN_PASSWORD, OwnPassword, Status},
};

use super::{Hosts, facts};

/// What shows how it went.
const CONDITION: &str = "OwnPassword";

/// What became of the wish.
pub(super) enum Settled {
    /// Nothing is to be done now; `Some`: what is still wanted may do in a moment.
    Rest(Status, Option<ErrorKind>),
    /// This is to be committed before the next step, for that reason.
    First(Status, Effect, &'static str),
}

/// Bring the BMC's password and the spec together.
pub(super) async fn settle(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    mut status: Status,
) -> Result<Settled, Failure> {
    let host = &snapshot.object;
    let is_wanted = matches!(&host.spec.driver, Driver::Redfish(redfish) if redfish.own_password);
    let own = match status.own_password.clone() {
        None if !is_wanted => {
            status.conditions.retain(|condition| condition.name != CONDITION);
            return Ok(Settled::Rest(status, None));
        }
        None => None,
        Some(own) => own_password(snapshot, view).await?.map(|password| (own, password)),
    };
    let Some((own, password)) = own else {
        return if is_wanted { draw(snapshot, view, status).await } else { Ok(given_back(status)) };
    };
    let tried = if is_wanted {
        give(hosts, snapshot, view, &own, password).await
    } else {
        give_back(hosts, snapshot, view, &own).await
    };
    let now = snapshot.now;
    match tried {
        Ok(()) if is_wanted => {
            let since = *status.own_password.get_or_insert(own).since.get_or_insert(now);
            status.set_condition(CONDITION, Health::Good, taken(host, since), now);
            Ok(Settled::Rest(status, None))
        }
        Ok(()) => Ok(given_back(status)),
        Err(error) => {
            let (why, name) = (underlay_core::because(&error), &host.meta.key.name);
            let why = if is_wanted {
                format!(
                    "its BMC did not take a password of its own: {why}. The host is used with the one that is good; \
                     it is tried again. If it never will: own_password = false"
                )
            } else {
                format!(
                    "its BMC did not take the credential's password back: {why}. The host is used with its own, which \
                     is shown by: underlay host password {name}"
                )
            };
            status.set_condition(CONDITION, Health::Bad, why, now);
            Ok(Settled::Rest(status, Some(error.kind())))
        }
    }
}

/// The end of a host: have its BMC take the credential's password back. `None` in the status: it has.
pub(super) async fn part(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    status: Status,
) -> Result<Settled, Error> {
    let Some(own) = status.own_password.clone() else { return Ok(Settled::Rest(status, None)) };
    give_back(hosts, snapshot, view, &own).await?;
    Ok(given_back(status))
}

fn given_back(mut status: Status) -> Settled {
    status.own_password = None;
    status.conditions.retain(|condition| condition.name != CONDITION);
    Settled::First(
        status,
        Effect::DropPassword,
        "its own password to be forgotten: its BMC has the credential's",
    )
}

fn taken(host: &Object<Host>, since: Timestamp) -> String {
    let name = &host.meta.key.name;
    format!(
        "its BMC has a password of its own since {since:.0}; it is shown by: underlay host password {name}"
    )
}

async fn draw(snapshot: &Snapshot<Host>, view: &dyn View, mut status: Status) -> Result<Settled, Failure> {
    let login = login(&snapshot.object, view).await;
    let (user, now) = match login {
        Ok(login) => (login.user, snapshot.now),
        Err(error) => {
            status.set_condition(CONDITION, Health::Bad, underlay_core::because(&error), snapshot.now);
            return Ok(Settled::Rest(status, Some(error.kind())));
        }
    };
    status.own_password = Some(OwnPassword { user, since: None });
    status.set_condition(CONDITION, Health::Bad, "one was drawn; its BMC is given it next", now);
    Ok(Settled::First(
        status,
        Effect::DrawPassword,
        "a password of its own to be kept before its BMC is given it",
    ))
}

async fn give(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    own: &OwnPassword,
    password: SecretString,
) -> Result<(), Error> {
    ensure(hosts, snapshot, view, &Login { user: own.user.clone(), password }).await
}

async fn give_back(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    own: &OwnPassword,
) -> Result<(), Error> {
    let login = login(&snapshot.object, view).await?;
    if login.user != own.user {
        return Err(Error::Invalid(format!(
            "its own password is that of the user {}, and its credential names {}; have the credential name {} again",
            own.user, login.user, own.user
        )));
    }
    ensure(hosts, snapshot, view, &login).await
}

async fn ensure(
    hosts: &Hosts,
    snapshot: &Snapshot<Host>,
    view: &dyn View,
    login: &Login,
) -> Result<(), Error> {
    let bmc = hosts.bmcs.bmc(&snapshot.object, view).await?;
    let Some(accounts) = bmc.accounts() else {
        let driver = snapshot.object.spec.driver.word();
        return Err(Error::Invalid(format!("its driver is {driver}, and only redfish changes passwords")));
    };
    accounts.ensure_password(login).await
}

/// The credential's login.
async fn login(host: &Object<Host>, view: &dyn View) -> Result<Login, Error> {
    let Some((name, _)) = host.spec.driver.credential() else {
        return Err(Error::Invalid("its driver has no credential".into()));
    };
    match view.credential(&host.meta.key, name).await {
        Ok(Some((user, password))) => Ok(Login { user, password }),
        Ok(None) => Err(Error::Invalid(format!("there is no credential named {name}"))),
        Err(error) => Err(Error::Local { wish: format!("read credential {name}"), source: Box::new(error) }),
    }
}

async fn own_password(snapshot: &Snapshot<Host>, view: &dyn View) -> Result<Option<SecretString>, Failure> {
    let found = view.secret(snapshot.object.meta.id, OWN_PASSWORD).await;
    found.map_err(|error| facts::unreadable(snapshot, &error))
}

#[cfg(test)]
mod tests;
