//! Off, on, and the agent's call home. As in a deployment, the boot plan and its one-time token are committed before anything is
//! switched on, and the agent is given its work only when it runs on the box that was enrolled.

use jiff::{SignedDuration, Timestamp};
use underlay_core::{
    Effect, Failure, Mac, Step,
    agent::{Assignment, Purpose as TokenPurpose, Task, TokenGrant},
    bmc::{Bmc, Error, Power, Target},
    boot::{Media, Plan, Token},
    cleaning::Clean,
    host::{BootMethod, Driver, Host, Stage},
    identity,
    observation::{Body, Observation, Source},
};

use super::turn::Turn;
use crate::token;

/// How long an agent may take from power-on to its call home.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_secs(3600);
/// A host that is seen to boot is waited for, but for no longer than so many times the patience with one that is silent.
const LOOPS: u32 = 4;
const UNTOUCHED: &str = "nothing was wiped; no machine gets it";

pub(super) async fn switch_off(turn: &Turn<'_>) -> Result<Step<Host>, Failure> {
    let bmc = turn.bmc().await?;
    let observed = bmc.observe().await.map_err(|error| turn.driver_failed("reading its power", &error))?;
    if let Err(mismatch) = identity::claimed(&turn.snapshot.object.spec.identity, &observed) {
        let failure = turn.failure("checking which box its BMC speaks for", mismatch.to_string(), UNTOUCHED);
        return Ok(turn.give_up(failure));
    }
    if observed.power == Power::Off {
        return Ok(prepare(turn, &observed.macs));
    }
    bmc.ensure_power(Power::Off).await.map_err(|error| turn.driver_failed("switching it off", &error))?;
    if turn.snapshot.is_stalled(turn.power_patience()) {
        let why = "its driver accepted to switch it off, and it is still on";
        return Ok(turn.give_up(turn.failure("switching it off", why, UNTOUCHED).blaming_host()));
    }
    Ok(turn.switching(Power::Off, None))
}

/// Commits what the boot will ask for, with its token.
fn prepare(turn: &Turn<'_>, seen: &[Mac]) -> Step<Host> {
    let object = &turn.snapshot.object;
    let (host, epoch) = (object.meta.id, turn.tending.epoch);
    let token = Token(token::mint());
    let mut asked = Vec::new();
    if turn.method() == BootMethod::VirtualMedia {
        let url = turn.hosts.boot_url.boot_url(&object.spec);
        let mac = object.spec.identity.boot_mac.or(object.status.boot_mac);
        let media = Media { token: token.clone(), epoch, url, mac, address: object.spec.boot.address };
        asked.push(Effect::PutBootMedia { host, media });
    } else {
        for mac in identity::boot_macs(object, seen) {
            let plan = Plan::Agent { token: token.clone(), epoch, host };
            asked.push(Effect::PutBootPlan { mac, host, plan });
        }
    }
    if asked.is_empty() {
        return turn
            .fall_back("no MAC address of it is known: give it identity = { boot_mac = \"..\" }".into());
    }
    let person = SignedDuration::try_from(turn.power_patience()).unwrap_or_default();
    let life = match object.spec.driver {
        Driver::Manual(_) => TOKEN_LIFE.saturating_add(person),
        _ => TOKEN_LIFE,
    };
    let grant = TokenGrant {
        digest: token.digest(),
        host,
        on_behalf_of: host,
        epoch,
        purpose: TokenPurpose::Agent,
        expires_at: turn.snapshot.now + life,
    };
    let step = turn
        .to(Stage::SwitchOn)
        .with(Effect::RevokeTokens { host })
        .with(Effect::GrantToken(grant))
        .with(Effect::DropBootPlans { host });
    asked.into_iter().fold(step, Step::with)
}

pub(super) async fn switch_on(turn: &Turn<'_>) -> Result<Step<Host>, Failure> {
    let bmc = turn.bmc().await?;
    let observed = bmc.observe().await.map_err(|error| turn.driver_failed("reading its power", &error))?;
    if observed.power == Power::On {
        return Ok(turn.to(Stage::Boot));
    }
    if let Err(error) = arm(turn, &*bmc).await {
        if matches!(error, Error::Unsupported { .. }) {
            return Ok(turn.fall_back(underlay_core::because(&error)));
        }
        return Err(turn.driver_failed("setting its next boot to the agent", &error));
    }
    bmc.ensure_power(Power::On).await.map_err(|error| turn.driver_failed("switching it on", &error))?;
    if turn.snapshot.is_stalled(turn.power_patience()) {
        let why = "its driver accepted to switch it on, and it is still off";
        return Ok(turn.give_up(turn.failure("switching it on", why, UNTOUCHED).blaming_host()));
    }
    Ok(turn.switching(Power::On, Some(turn.target())))
}

/// Sets it to start the agent once.
async fn arm(turn: &Turn<'_>, bmc: &dyn Bmc) -> Result<(), Error> {
    let object = &turn.snapshot.object;
    if turn.target() == Target::MediaOnce {
        let unable = |why: String| Error::Unsupported {
            address: object.meta.key.name.to_string(),
            wish: "boot from virtual media".into(),
            why,
        };
        let media = bmc.virtual_media().ok_or_else(|| unable("its driver has none".into()))?;
        let url = turn.hosts.media.of(object, turn.tending.epoch).map_err(unable)?;
        media.ensure_media(Some(&url)).await?;
    } else {
        take_out(turn, bmc).await?;
    }
    bmc.ensure_next_boot(turn.target()).await
}

/// Has no image of ours in its drive, where its ways to boot put one there.
pub(super) async fn take_out(turn: &Turn<'_>, bmc: &dyn Bmc) -> Result<(), Error> {
    let has_one = turn.snapshot.object.spec.boot.methods.contains(&BootMethod::VirtualMedia);
    match bmc.virtual_media().filter(|_| has_one) {
        Some(media) => media.ensure_media(None).await,
        None => Ok(()),
    }
}

pub(super) async fn boot(turn: &Turn<'_>) -> Result<Step<Host>, Failure> {
    let inventory = seen(turn, Source::Inventory).map(|seen| &seen.body);
    let Some(Body::Inventory { inventory, .. }) = inventory
        .filter(|body| matches!(body, Body::Inventory { epoch, .. } if *epoch == turn.tending.epoch))
    else {
        return Ok(wait_on(turn));
    };
    let identity = &turn.snapshot.object.spec.identity;
    if let Err(mismatch) = identity::check(identity, inventory) {
        let failure = turn.failure("checking who answered as this host", mismatch.to_string(), UNTOUCHED);
        return Ok(turn.give_up(failure.blaming_host()));
    }
    if !turn.tending.wipes() {
        let text = "the agent called home; its inventory is renewed".into();
        return Ok(turn.to(Stage::Finish).with(Effect::Note { text }));
    }
    let seed = blake3::hash(&turn.tending.epoch.to_le_bytes());
    let mut eight = [0; 8];
    eight.iter_mut().zip(seed.as_bytes()).for_each(|(to, from)| *to = *from);
    let clean = Clean {
        identity: identity::expected(identity),
        policy: turn.tending.policy,
        seed: u64::from_le_bytes(eight),
    };
    let host = turn.snapshot.object.meta.id;
    let task = Task::Clean(Box::new(clean));
    let assignment = Assignment { host, on_behalf_of: host, epoch: turn.tending.epoch, task };
    let text = "the agent called home; it wipes the disks".into();
    Ok(turn.to(Stage::Wipe).with(Effect::Assign(assignment)).with(Effect::Note { text }))
}

pub(super) fn seen<'a>(turn: &'a Turn<'_>, source: Source) -> Option<&'a Observation> {
    turn.snapshot.observations.iter().find(|seen| seen.source == source)
}

fn wait_on(turn: &Turn<'_>) -> Step<Host> {
    let began =
        Timestamp::from_microsecond(turn.tending.epoch).unwrap_or(turn.snapshot.object.progress.since);
    let last = match seen(turn, Source::Boot).filter(|seen| seen.at >= began).map(|seen| &seen.body) {
        Some(Body::Boot { what }) => format!("last seen: {what}"),
        _ => "nothing seen on the network yet".into(),
    };
    let patience = turn.hosts.patience.boot;
    if turn.snapshot.is_stalled(patience) || turn.snapshot.has_lasted(patience * LOOPS) {
        let waited = turn.snapshot.now.duration_since(turn.snapshot.object.progress.since).unsigned_abs();
        return turn.fall_back(format!("no agent called home in {} s ({last})", waited.as_secs()));
    }
    turn.wait(format!("the agent to call home; {last}"), patience)
}
