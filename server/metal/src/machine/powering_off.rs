//! PoweringOff: the claimed host is switched off, so that the agent's boot starts from a known point. Where its BMC says
//! that it speaks for another box, nothing is switched.
//!
//! When it is off, the boot plan and its one-time token are committed before anything is switched on: a host that comes
//! up finds its answer. An agent that waits in the host's RAM finds it too, and then nothing is switched at all.

use underlay_core::{
    Effect, ErrorKind, Failure, Mac, Object, Step,
    agent::{Purpose, TokenGrant},
    bmc::Power,
    boot::{Media, Plan, Token},
    host::{self, BootMethod, Host},
    identity,
    machine::{Machine, Run, State, Takeover},
};

use super::{
    trust, waiting, ways,
    world::{Disk, SOON, World, starts_again, withdrawn},
};
use crate::token;

pub(super) async fn step(world: &World<'_>, run: &Run) -> Result<Step<Machine>, Failure> {
    if world.is_outdated(run) {
        return Ok(world.start_over(run));
    }
    let host = world.host(run.host).await?;
    if let Some(boot_mac) = waiting::agent(world, run, &host).await? {
        let next = Run { takeover: Takeover::Begun, trust: world.trust(), ..run.clone() };
        let text =
            format!("an agent waits in the RAM of host {}: it is not booted again", host.meta.key.name);
        let step = prepare(world, run, &host, &[boot_mac], State::Booting { run: next });
        return Ok(step.with(Effect::Note { text }));
    }
    let bmc = world.bmc(&host).await?;
    let observed =
        bmc.observe().await.map_err(|error| world.driver_failed(&host, "reading its power", &error))?;
    if let Err(mismatch) = identity::claimed(&host.spec.identity, &observed) {
        return Ok(world.give_up(run, other_box(world, &host, &mismatch), Disk::Untouched));
    }
    if observed.power == Power::Off {
        return Ok(if starts_again(run) {
            let next = State::PoweringOn { run: run.clone() };
            withdrawn(Step::advance(world.status(), next), run.host)
        } else {
            if let Some(failure) = trust::unbootable(world, &host) {
                return Ok(world.give_up(run, failure, Disk::Untouched));
            }
            let next = State::PoweringOn { run: Run { trust: world.trust(), ..run.clone() } };
            prepare(world, run, &host, &observed.macs, next)
        });
    }
    bmc.ensure_power(Power::Off)
        .await
        .map_err(|error| world.driver_failed(&host, "switching it off", &error))?;
    if world.snapshot.is_stalled(world.power_patience(&host)) {
        return Ok(world.give_up(run, lies(world, &host), Disk::Untouched));
    }
    let reason = format!("host {} to switch off", host.meta.key.name);
    Ok(world.switching(&host, (Power::Off, None), reason, SOON))
}

/// What the boot of this attempt will ask for: the plans of its NICs, or what the image says that its BMC shows it. Commits it,
/// with the one-time token, together with `next`.
#[track_caller]
fn prepare(world: &World<'_>, run: &Run, host: &Object<Host>, seen: &[Mac], next: State) -> Step<Machine> {
    let token = Token(token::mint());
    let mut asked = Vec::new();
    if ways::method(host, run) == BootMethod::VirtualMedia {
        let url = world.machines.boot_url.boot_url(&host.spec);
        let mac = host.spec.identity.boot_mac.or(host.status.boot_mac);
        let address = host.spec.boot.address;
        let media = Media { token: token.clone(), epoch: run.epoch, url, mac, address };
        asked.push(Effect::PutBootMedia { host: run.host, media });
    } else {
        for mac in identity::boot_macs(host, seen) {
            let plan = Plan::Agent { token: token.clone(), epoch: run.epoch, host: run.host };
            asked.push(Effect::PutBootPlan { mac, host: run.host, plan });
        }
    }
    if asked.is_empty() {
        let method = ways::word(ways::method(host, run));
        let why = format!("host {} is not booted by {method}: {NO_MAC}", host.meta.key.name);
        return match ways::fall_back(world, run, host, &why) {
            Some(step) => step,
            None => world.give_up(run, nameless(world, host).blaming_host(), Disk::Untouched),
        };
    }
    let grant = TokenGrant {
        digest: token.digest(),
        host: run.host,
        on_behalf_of: world.snapshot.object.meta.id,
        epoch: run.epoch,
        purpose: Purpose::Agent,
        expires_at: world.snapshot.now + world.token_life(host),
    };
    let step = Step::advance(world.status(), next)
        .with(Effect::RevokeTokens { host: run.host })
        .with(Effect::GrantToken(grant))
        .with(Effect::DropBootPlans { host: run.host });
    asked.into_iter().fold(step, Step::with)
}

const NO_MAC: &str =
    "no MAC address is known: the enrolment gives none and the BMC lists none while the host is off";

fn nameless(world: &World<'_>, host: &Object<Host>) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: preparing the boot of host {}", world.name(), host.meta.key.name),
        NO_MAC,
        "the host is off and nothing was written",
        "give the host identity = { boot_mac = \"..\" } and apply again",
    )
}

fn other_box(world: &World<'_>, host: &Object<Host>, mismatch: &identity::Mismatch) -> Failure {
    let name = &host.meta.key.name;
    Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: checking which box the BMC of host {name} speaks for", world.name()),
        mismatch.to_string(),
        "nothing was switched and no byte was written",
        format!("correct the BMC's address or the identity of host {name} and apply again"),
    )
}

fn lies(world: &World<'_>, host: &Object<Host>) -> Failure {
    let name = &host.meta.key.name;
    let what = format!("machine {}: switching off host {name}", world.name());
    let done = "nothing was written to its disk";
    if let Some(somebody) = host::awaited(host, Power::Off, None) {
        let why = format!("in {} h nobody said that it is off", world.power_patience(host).as_secs() / 3600);
        return Failure::new(
            ErrorKind::Permanent,
            what,
            why,
            done,
            format!("have {somebody}; then apply again"),
        );
    }
    Failure::new(
        ErrorKind::Permanent,
        what,
        format!(
            "its BMC accepted the wish {} s ago and still reports that it is on",
            world.machines.patience.power.as_secs()
        ),
        done,
        format!("look at the box: underlay power observe host/{name}; then apply again"),
    )
}
