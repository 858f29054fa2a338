//! Freezing, unfreezing, and confirming a restored server. Each is one row in the store, which controllers and the gate in
//! front of the drivers ask.

use jiff::Timestamp;
use tonic::{Request, Response, Status};
use underlay_core::{
    Brake, ErrorKind, Failure, Name,
    brake::{Kind, Reach},
};
use underlay_proto::v1::{self as pb, brake_service_server::BrakeService};

use super::{caller::caller, cancel::REASON};
use crate::{
    auth::{self, Caller, Pools},
    context::Context,
    convert::{Faults, object},
    errors::Error,
};

/// The service of brakes.
pub(crate) struct Brakes {
    context: Context,
}

impl Brakes {
    /// The service over what all share.
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    async fn freeze_reach(
        &self,
        caller: &Caller,
        request: pb::FreezeRequest,
    ) -> Result<pb::FreezeResponse, Error> {
        let reach = reach(request.reach)?;
        let reason = request.reason.trim();
        let odd = |c: char| c.is_control();
        if reason.is_empty() || reason.chars().count() > REASON || reason.contains(odd) {
            let message =
                format!("say why, in 1 to {REASON} printable characters: everybody who waits reads it");
            return Err(Error::field("reason", message));
        }
        must_brake(caller, &reach)?;
        let brake = Brake {
            kind: Kind::Freeze,
            reach,
            by: caller.who(),
            since: to_the_microsecond(underlay_core::clock::now()),
            reason: reason.to_owned(),
        };
        caller.trail.note_detail(&format!("freeze {}", brake.reach.flags()));
        let stands = self.context.store.on_record(&caller.trail).put_brake(&brake).await?;
        tracing::warn!(reach = brake.reach.flags(), caller = caller.name, reason, "frozen");
        Ok(pb::FreezeResponse { stood_before: stands != brake, brake: Some(object::brake(&stands)) })
    }

    async fn lift(
        &self,
        caller: &Caller,
        kind: Kind,
        reach: &Reach,
    ) -> Result<(pb::Brake, Vec<pb::Brake>), Error> {
        caller.trail.note_detail(&format!("lift {kind} {}", reach.flags()));
        let store = self.context.store.on_record(&caller.trail);
        let lifted = store.lift_brake(kind, reach, &caller.who(), underlay_core::clock::now()).await?;
        let standing = self.context.store.standing_brakes().await?;
        let Some(lifted) = lifted else { return Err(none(kind, reach, &standing)) };
        tracing::warn!(%kind, reach = reach.flags(), caller = caller.name, "a brake is lifted");
        Ok((object::brake(&lifted), standing.iter().map(object::brake).collect()))
    }
}

/// As fine as the store keeps it.
fn to_the_microsecond(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn reach(message: Option<pb::FreezeReach>) -> Result<Reach, Error> {
    let message = message.unwrap_or_default();
    let mut faults = Faults::default();
    let reach = Reach {
        site: faults.parse_optional("site", &message.site),
        pool: faults.parse_optional("pool", &message.pool),
    };
    if message.all && !reach.is_everything() {
        faults.add("all", "means every site and pool; leave out site and pool, or all".to_owned());
    }
    if !message.all && message.site.is_empty() && message.pool.is_empty() {
        faults.add("all", "say what is meant: site, pool, or all".to_owned());
    }
    Ok(faults.into_result(Some(reach))?)
}

/// A freeze holds everybody back, so who is bound to an owner may not; who is bound to a site or pool, only there.
fn must_brake(caller: &Caller, reach: &Reach) -> Result<(), Error> {
    let auth::Reach { owner, site, .. } = &caller.reach;
    let pools = match &reach.pool {
        Some(pool) => Pools::Of(vec![pool.clone()]),
        None => Pools::Shared,
    };
    let in_site = site.as_ref().is_none_or(|site| reach.site.as_ref() == Some(site));
    if owner.is_none() && in_site && caller.reach.has_pools(&pools) {
        return Ok(());
    }
    let failure = Failure::new(
        ErrorKind::Invalid,
        format!("freezing or unfreezing {}", reach.flags()),
        format!("token \"{}\" is bound to less than that ({})", caller.name, bounds(&caller.reach)),
        "nothing was changed",
        "name just the site and pool it is bound to, or use a token that is not bound to an owner",
    );
    Err(Error::Forbidden(Box::new(failure)))
}

fn bounds(reach: &auth::Reach) -> String {
    let bound = |word: &str, name: &Option<Name>| name.as_ref().map(|name| format!("{word} {name}"));
    let bounds = [bound("owner", &reach.owner), bound("site", &reach.site), bound("pool", &reach.pool)];
    bounds.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn none(kind: Kind, reach: &Reach, standing: &[Brake]) -> Error {
    let (what, next) = match kind {
        Kind::Freeze => (format!("unfreezing {}", reach.flags()), "name one that stands: underlay brakes"),
        _ => ("confirming the restored server".into(), "see what holds work back: underlay brakes"),
    };
    let why = match standing.iter().filter(|brake| brake.kind == kind).collect::<Vec<_>>().as_slice() {
        [] => "none such stands".to_owned(),
        some => {
            let flags: Vec<_> = some.iter().map(|brake| brake.reach.flags()).collect();
            format!("none stands over just that, but over {}", flags.join("; "))
        }
    };
    let failure = Failure::new(ErrorKind::Invalid, what, why, "nothing was changed", next);
    Error::NoBrake(Box::new(failure))
}

#[tonic::async_trait]
impl BrakeService for Brakes {
    async fn freeze(
        &self,
        request: Request<pb::FreezeRequest>,
    ) -> Result<Response<pb::FreezeResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.freeze_reach(&caller, request.into_inner()).await?))
    }

    async fn unfreeze(
        &self,
        request: Request<pb::UnfreezeRequest>,
    ) -> Result<Response<pb::UnfreezeResponse>, Status> {
        let caller = caller(&request)?;
        let reach = reach(request.into_inner().reach)?;
        must_brake(&caller, &reach)?;
        let (lifted, standing) = self.lift(&caller, Kind::Freeze, &reach).await?;
        Ok(Response::new(pb::UnfreezeResponse { lifted: Some(lifted), standing }))
    }

    async fn list(
        &self,
        _: Request<pb::ListBrakesRequest>,
    ) -> Result<Response<pb::ListBrakesResponse>, Status> {
        let standing = self.context.store.standing_brakes().await.map_err(Error::from)?;
        Ok(Response::new(pb::ListBrakesResponse { brakes: standing.iter().map(object::brake).collect() }))
    }

    async fn resume(
        &self,
        request: Request<pb::ResumeRequest>,
    ) -> Result<Response<pb::ResumeResponse>, Status> {
        let caller = caller(&request)?;
        let (lifted, standing) = self.lift(&caller, Kind::Restored, &Reach::default()).await?;
        Ok(Response::new(pb::ResumeResponse { lifted: Some(lifted), standing }))
    }
}
