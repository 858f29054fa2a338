//! What is committed beside the state: claims, boot plans, tokens, assignments, wakes, notes.

use underlay_core::{
    Effect, Kind, ObjectId,
    agent::Task,
    boot::Plan,
    observation::{Body, Observation, Source},
};

use super::Commit;
use crate::{
    Error, Record, assignment, boot_plan,
    boot_plan::BootPlan,
    brake, claim, event, observation, own_password,
    pool::{accusation, disturbance, member, want},
    queue, reference, sql, token,
    transaction::Write,
};

/// Applies the effects of a step, in order.
pub(super) async fn apply(write: &mut Write<'_>, commit: &Commit<'_>) -> Result<(), Error> {
    if let Some(host) = commit.effects.iter().find_map(begins)
        && brake::stands_over(write, host).await?
    {
        // A brake was put since this was decided; the controller is shown it now.
        return Err(Error::Conflict { id: commit.base.record.id() });
    }
    for effect in &commit.effects {
        apply_one(write, commit, effect).await?;
    }
    Ok(())
}

/// The host that an effect makes boot the agent, or whose agent it gives something to do.
fn begins(effect: &Effect) -> Option<ObjectId> {
    match effect {
        Effect::PutBootPlan { host, plan: Plan::Agent { .. }, .. } | Effect::PutBootMedia { host, .. } => {
            Some(*host)
        }
        Effect::Assign(work) if work.task != Task::Stay => Some(work.host),
        Effect::BeginStep { host } => Some(*host),
        _ => None,
    }
}

async fn apply_one(write: &mut Write<'_>, commit: &Commit<'_>, effect: &Effect) -> Result<(), Error> {
    let (id, now) = (commit.base.record.id(), commit.now);
    match effect {
        Effect::Claim { host } => {
            if claim::take(write, *host, id).await? {
                queue::kick(write, *host, now).await?;
            }
            Ok(())
        }
        Effect::Join { host } => {
            if claim::join(write, *host, id).await? {
                queue::kick(write, *host, now).await?;
            }
            Ok(())
        }
        Effect::Release { host } => release(write, commit, *host).await,
        Effect::HandOver { host } => hand_over(write, commit, *host).await,
        Effect::Want { pool } => want::put(write, id, *pool).await,
        Effect::Unwant => want::forget(write, id).await.map(|_| ()),
        Effect::Grant { host, machine } => want::grant(write, id, *host, *machine).await,
        Effect::AwaitTurn { pool } => disturbance::wait(write, id, *pool).await,
        Effect::Disturb { pool, limit } => disturbance::begin(write, id, *pool, *limit).await,
        Effect::Settle => {
            want::forget(write, id).await?;
            disturbance::end(write, id).await
        }
        Effect::Accuse { host, pool, failure, shared } => {
            accusation::put(write, *pool, *host, shared).await?;
            let machine = commit.base.record.raw.meta.key.name.to_string();
            let body = Body::Accused { machine, failure: failure.clone() };
            let seen = Observation { id: *host, source: Source::Accuser, at: now, body };
            observation::put(write, &seen).await.map(|_| ())
        }
        Effect::Absolve { pool, shared } => accusation::lift(write, *pool, shared).await,
        Effect::PutBootPlan { mac, host, plan } => {
            boot_plan::put(write, &BootPlan { mac: *mac, host: *host, plan: plan.clone() }).await
        }
        Effect::PutBootMedia { host, media } => boot_plan::put_media(write, *host, media).await,
        Effect::DropBootPlans { host } => boot_plan::forget(write, *host).await,
        Effect::GrantToken(grant) => token::grant(write, grant).await,
        Effect::RevokeTokens { host } => token::revoke(write, *host).await,
        Effect::Assign(work) => assignment::put(write, work).await,
        Effect::Unassign { host } => assignment::forget(write, *host).await,
        Effect::DrawPassword => own_password::keep(write, id).await,
        Effect::DropPassword => own_password::forget(write, id).await,
        // Only that no brake stood was asked.
        Effect::BeginStep { .. } => Ok(()),
        Effect::Wake { id } => queue::kick(write, *id, now).await,
        Effect::Note { text } => note(write, commit, text).await,
    }
}

async fn note(write: &mut Write<'_>, commit: &Commit<'_>, text: &str) -> Result<(), Error> {
    let record = &commit.base.record;
    let line = event::Line {
        kind: record.raw.meta.kind,
        id: record.id(),
        phase: &record.phase,
        text,
        decided_at: &commit.decided_at,
    };
    event::append(write, line, commit.now).await
}

/// Gives up a host and wakes whoever waits for it.
async fn release(write: &mut Write<'_>, commit: &Commit<'_>, host: ObjectId) -> Result<(), Error> {
    if !claim::give_up(write, host, commit.base.record.id()).await? {
        return Ok(());
    }
    queue::kick(write, host, commit.now).await?;
    member::wake_pool(write, host, commit.now).await?;
    if let Some(record) = Record::find(write.connection(), host).await? {
        let key = &record.raw.meta.key;
        reference::wake_dependents(write, Kind::Host, key, commit.now).await?;
    }
    Ok(())
}

/// Gives up a host to itself, and has its controller look at it. Nobody else is woken: they cannot have it yet.
async fn hand_over(write: &mut Write<'_>, commit: &Commit<'_>, host: ObjectId) -> Result<(), Error> {
    if claim::hand_over(write, host, commit.base.record.id()).await? {
        queue::kick(write, host, commit.now).await?;
        member::wake_pool(write, host, commit.now).await?;
    }
    Ok(())
}

/// Removes everything that belongs to an object that is gone.
pub(super) async fn clear(write: &mut Write<'_>, commit: &Commit<'_>) -> Result<(), Error> {
    let id = commit.base.record.id();
    for host in claim::held_by(write, id).await? {
        release(write, commit, host).await?;
    }
    want::forget(write, id).await?;
    disturbance::end(write, id).await?;
    boot_plan::forget(write, id).await?;
    assignment::forget(write, id).await?;
    reference::forget(write, id).await?;
    queue::remove(write, id).await?;
    for text in [
        "DELETE FROM claim WHERE host = $1",
        "DELETE FROM want WHERE pool = $1",
        "DELETE FROM disturbance WHERE pool = $1",
        "DELETE FROM accusation WHERE pool = $1 OR host = $1",
        "DELETE FROM token WHERE host = $1 OR on_behalf_of = $1",
        "DELETE FROM resident WHERE host = $1",
        // A BMC may have a password that nobody else knows. Who leaves the host has it dropped before, or it stays.
        "DELETE FROM secret WHERE id = $1 AND name <> 'own_password'",
        "DELETE FROM observation WHERE id = $1",
        "DELETE FROM step WHERE id = $1",
        "DELETE FROM cancellation WHERE id = $1",
        "DELETE FROM boot_plan_gone WHERE host = $1",
    ] {
        sql::query(text)
            .bind(id.to_string())
            .execute(write.connection())
            .await
            .map_err(Error::doing("clearing up after an object"))?;
    }
    Ok(())
}
