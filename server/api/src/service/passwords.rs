//! The passwords of their own that BMCs have, in the clear: for the day on which somebody has to log in to one by hand. Who
//! read which is in the audit; nothing of them is in any log.

use secrecy::ExposeSecret;
use underlay_core::host::{Driver, Host};
use underlay_proto::v1 as pb;

use super::find::Sought;
use crate::{auth::Caller, context::Context, convert::object, errors::Error, rules::Rules};

/// Reads those of the hosts of one name.
pub(super) async fn passwords(
    context: &Context,
    caller: &Caller,
    request: pb::OwnPasswordsRequest,
) -> Result<pb::OwnPasswordsResponse, Error> {
    let key = object::key(request.key)?;
    caller.trail.note_object(format_args!("host {key}"));
    caller.trail.note_detail(if request.forget_gone {
        "forget those of hosts that are gone"
    } else {
        "read"
    });
    let kept = context.store.own_passwords(&key).await?;
    let mut passwords = Vec::with_capacity(kept.len());
    for one in kept {
        let host = one.host.raw.decode::<Host>()?;
        caller.must_write(&key, &Host::pools(context, &key, None, Some(&host)).await?)?;
        let address = match &host.spec.driver {
            Driver::Redfish(redfish) => redfish.address.clone(),
            Driver::Ipmi(ipmi) => ipmi.address.clone(),
            Driver::Manual(_) | Driver::Qemu(_) | Driver::None => String::new(),
        };
        let own = host.status.own_password;
        passwords.push(pb::OwnPassword {
            host_id: host.meta.id.to_string(),
            address,
            username: own.as_ref().map(|own| own.user.clone()).unwrap_or_default(),
            password: one.password.expose_secret().to_owned(),
            since: own.and_then(|own| own.since).map(object::timestamp),
            gone_at: host.meta.purged_at.map(object::timestamp),
        });
    }
    if passwords.is_empty() {
        let kind = underlay_core::Kind::Host;
        let name = format!("{} with a password of its own", Sought::Key(key).words());
        return Err(Error::Missing { kind, name, tombstone: None });
    }
    if request.forget_gone {
        context.store.forget_own_passwords(&key).await?;
    }
    tracing::info!(host = %key, caller = caller.name, "the password of a BMC was read");
    Ok(pb::OwnPasswordsResponse { passwords })
}
