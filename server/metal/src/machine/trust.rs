//! What the pool of a host trusts, on the machine's way: which ways to boot will do, and that a boot under less is not enough
//! for what is asked by now.

use underlay_core::{
    Effect, ErrorKind, Failure, Kind, Name, Object, Step, View,
    host::Host,
    machine::{Machine, Run, State},
    observation::{Body, Source},
    pool::{Pool, Trust},
    view,
};

use super::world::{World, withdrawn};

/// What the host's pool trusts; a host without one is in no other place than the segment.
pub(super) async fn of(view: &dyn View, host: &Object<Host>) -> Result<Trust, view::Error> {
    let raw = view.by_name(&host.meta.key, Kind::Pool, &host.spec.pool).await?;
    Ok(raw.map(|raw| raw.decode::<Pool>()).transpose()?.map_or(Trust::default(), |pool| pool.spec.trust))
}

/// Why no agent can be booted on a host whose ways to boot were narrowed to those that its pool trusts.
pub(super) fn unbootable(world: &World<'_>, host: &Object<Host>) -> Option<Failure> {
    let (name, pool, word) = (&host.meta.key.name, &host.spec.pool, world.trust().word());
    let method = world.trust().method();
    host.spec.boot.methods.is_empty().then(|| {
        Failure::new(
            ErrorKind::Invalid,
            format!("machine {}: booting the agent on host {name}", world.name()),
            format!("its pool {pool} trusts {word}, and none of the ways in its boot.methods is one"),
            "nothing was switched and no token was made",
            format!(
                "put \"{method}\" into boot.methods of underlay_host.{name}, or the host into another pool, and apply again"
            ),
        )
        .at("host")
    })
}

/// Does the pool trust less by now than when the token of this boot was given out? Then who holds that token is given
/// nothing, and the host is booted anew.
#[track_caller]
pub(super) fn raised(world: &World<'_>, run: &Run) -> Option<Step<Machine>> {
    (world.trust() > run.trust).then(|| {
        let word = world.trust().word();
        let text = format!("its pool trusts {word} by now, which this boot was not; starting the boot over");
        withdrawn(Step::advance(world.status(), State::Pending), run.host).with(Effect::Note { text })
    })
}

/// An agent brought the token of this boot, and the machine's TPM did not vouch for it: the boot comes to nothing.
pub(super) async fn unproven(world: &World<'_>, run: &Run, host: &Name) -> Result<Option<Failure>, Failure> {
    let seen = world.observed(run.host, Source::Quote).await?.map(|seen| seen.body);
    let Some(Body::Unproven { epoch, why }) = seen else { return Ok(None) };
    Ok((epoch == run.epoch).then(|| {
        Failure::new(
            ErrorKind::Permanent,
            format!("machine {}: asking the TPM of host {host} what was booted", world.name()),
            why,
            "nothing was handed out and no byte was written",
            format!("find out what the host starts; then apply again; see underlay explain host/{host}"),
        )
    }))
}
