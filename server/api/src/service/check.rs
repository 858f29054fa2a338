//! Looking at a BMC: an enrolled host's with the credential it has, or anybody's with a login that is used for that and kept
//! nowhere. A token that is bound to a pool may look at hosts of its pool, and at nothing else.

use std::time::Duration;

use underlay_core::{Failure, Kind, SecretString, check::Check, check::Whose, host::Host};
use underlay_proto::v1::{self as pb, check_host_request::Whose as Asked};

use super::{
    find::{Sought, find_living},
    power::in_full,
};
use crate::{
    auth::{Caller, Pools},
    context::Context,
    convert::{host, object},
    errors::Error,
    rules::Rules,
};

/// The longest a look may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The longest a user name and a password may be.
const LOGIN: usize = 256;

/// Looks at a BMC.
pub(super) async fn check(
    context: &Context,
    caller: &Caller,
    request: pb::CheckHostRequest,
) -> Result<pb::CheckHostResponse, Error> {
    let (whose, what) = match request.whose {
        Some(Asked::Host(selector)) => enrolled(context, caller, selector).await?,
        Some(Asked::Bmc(login)) => nobodys(caller, login)?,
        None => return Err(Error::field("whose", "say whose BMC is meant: a host's, or one at an address")),
    };
    tracing::info!(what, caller = caller.name, "looking at a BMC");
    let looked = tokio::time::timeout(LIMIT, context.ports.checks.check(whose)).await;
    let failed = |why: String, kind| {
        let next = "Mend that and ask again; underlay explain says how an enrolled host stands";
        let nothing = "nothing was changed on it";
        Error::Precondition(Box::new(Failure::new(
            kind,
            format!("{what}: looking at its BMC"),
            why,
            nothing,
            next,
        )))
    };
    match looked {
        Ok(Ok(check)) => Ok(message(check)),
        Ok(Err(error)) => Err(failed(in_full(&error), error.kind())),
        Err(_) => {
            let why = format!("it took longer than {} s", LIMIT.as_secs());
            Err(failed(why, underlay_core::ErrorKind::Transient))
        }
    }
}

async fn enrolled(
    context: &Context,
    caller: &Caller,
    selector: pb::Selector,
) -> Result<(Whose, String), Error> {
    let record = find_living(context, Kind::Host, &Sought::read(Some(selector))?).await?;
    let key = record.raw.meta.key.clone();
    caller.trail.note_object(format_args!("host {key}"));
    let host = record.raw.decode::<Host>()?;
    caller.must_write(&key, &Host::pools(context, &key, None, Some(&host)).await?)?;
    Ok((Whose::Host(Box::new(host)), format!("host {}", key.name)))
}

fn nobodys(caller: &Caller, login: pb::BmcLogin) -> Result<(Whose, String), Error> {
    let key = object::key(login.key)?;
    let redfish = host::redfish_of_nobody(login.redfish.unwrap_or_default())?;
    caller.trail.note_object(format_args!("BMC {}", redfish.address));
    // It may be anybody's.
    caller.must_write(&key, &Pools::Shared)?;
    for (name, value) in [("username", &login.username), ("password", &login.password)] {
        if value.is_empty() || value.len() > LOGIN {
            return Err(Error::field(&format!("bmc.{name}"), format!("give 1 to {LOGIN} characters")));
        }
    }
    let what = redfish.address.clone();
    let password = SecretString::from(login.password);
    Ok((Whose::Nobodys { redfish, user: login.username, password }, what))
}

fn message(check: Check) -> pb::CheckHostResponse {
    let finding = |found: underlay_core::check::Finding| pb::CheckFinding {
        what: found.what.into(),
        works: found.works.word().into(),
        why: found.why,
    };
    let resource = |looked: underlay_core::check::Looked| pb::CheckedResource {
        path: looked.path,
        status: looked.status.into(),
        took: prost_types::Duration::try_from(looked.took).ok(),
    };
    pb::CheckHostResponse {
        address: check.address,
        make: check.make,
        login: check.login.into(),
        certificate: check.certificate.unwrap_or_default(),
        findings: check.findings.into_iter().map(finding).collect(),
        resources: check.looked.into_iter().map(resource).collect(),
        recording: check.recording,
    }
}
