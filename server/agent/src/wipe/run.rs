//! From order to report: every disk that may be written, all at once, and a line for each however it went.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};
use tracing::{info, warn};
use underlay_core::{
    ErrorKind, Failure,
    agent::{Disk as Facts, Inventory, Stage, Touched},
    cleaning::{Clean, Ending, Wipe},
};

use super::one;
use crate::deploy::{error::chain, identity, progress::Progress, run::Host};

/// The disks must stay the same for so long before they count as all there are: a controller may still be looking for its own.
const SETTLED: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// For how long they may change.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is said how far the work is.
const TELL: Duration = Duration::from_secs(2);

/// Wipes the disks of `host` as `order` says; the last stage is `Wiped`, or `Failed` where nothing was done.
pub async fn run(order: &Clean, host: &Arc<dyn Host>, mut progress: Progress) {
    progress.say(Stage::Checking);
    let last = match disks(order, &**host).await {
        Ok(disks) => Stage::Wiped { disks: wipe_all(order, host, disks, &mut progress).await },
        Err(failure) => Stage::Failed { failure, touched_disk: Touched::No },
    };
    progress.say(last);
}

/// All disks of the host, if it is the one that is meant.
async fn disks(order: &Clean, host: &dyn Host) -> Result<Vec<Facts>, Failure> {
    let (began, mut last) = (Instant::now(), None);
    loop {
        let inventory = host.inventory();
        identity::check(&order.identity, &inventory).map_err(|error| {
            Failure::new(
                ErrorKind::Permanent,
                "Wiping the disks",
                chain(&error),
                "Nothing was wiped",
                "Compare the host's identity and BMC address with the machine in the rack",
            )
        })?;
        let seen = names(&inventory);
        let since = match &last {
            Some((before, since)) if *before == seen => *since,
            _ => Instant::now(),
        };
        if since.elapsed() >= SETTLED || began.elapsed() >= PATIENCE {
            return Ok(inventory.disks);
        }
        last = Some((seen, since));
        sleep(LOOK_AGAIN).await;
    }
}

fn names(inventory: &Inventory) -> Vec<String> {
    inventory.disks.iter().map(|disk| disk.name.clone()).collect()
}

async fn wipe_all(
    order: &Clean,
    host: &Arc<dyn Host>,
    disks: Vec<Facts>,
    progress: &mut Progress,
) -> Vec<Wipe> {
    let (began, mut work, mut wipes, mut counters) = (Instant::now(), JoinSet::new(), Vec::new(), Vec::new());
    let (mut total, mut begun) = (0_u64, Vec::new());
    for facts in disks {
        if let Some(why) = &facts.excluded {
            wipes.push(one::untouched(&facts, Ending::Spared { why: why.clone() }));
            continue;
        }
        total = total.saturating_add(facts.size.0);
        let done = Arc::new(AtomicU64::new(0));
        counters.push(Arc::clone(&done));
        let (host, policy, seed) = (Arc::clone(host), order.policy, order.seed);
        let name = facts.clone();
        let handle = work.spawn_blocking(move || {
            info!(disk = facts.name, "wiping");
            let wipe = match host.drive(&facts) {
                Ok(drive) => one::wipe(&*drive, &facts, policy, seed, &done),
                Err(error) => one::untouched(&facts, Ending::Failed { why: format!("opening it: {error}") }),
            };
            match &wipe.ending {
                Ending::Failed { why } => warn!(disk = facts.name, why, "not wiped"),
                _ => {
                    info!(disk = facts.name, method = wipe.method.map_or("", |method| method.word()), "wiped")
                }
            }
            wipe
        });
        begun.push((handle.id(), name));
    }
    let mut ticks = interval(TELL);
    loop {
        tokio::select! {
            done = work.join_next() => match done {
                Some(Ok(wipe)) => wipes.push(wipe),
                // It ended without a word: what is on the disk is not known.
                Some(Err(error)) => {
                    warn!(%error, "the wipe of a disk broke off");
                    let facts = begun.iter().find(|(id, _)| *id == error.id()).map(|(_, facts)| facts);
                    let ending = Ending::Failed { why: "the agent broke off".into() };
                    wipes.extend(facts.map(|facts| one::untouched(facts, ending)));
                }
                None => break,
            },
            _ = ticks.tick() => {
                let done = counters.iter().map(|done| done.load(Ordering::Relaxed)).sum::<u64>().min(total);
                progress.say(Stage::Wiping { done, total, seconds: began.elapsed().as_secs() });
            }
        }
    }
    wipes.sort_by(|one, other| one.disk.cmp(&other.disk));
    wipes
}

#[cfg(test)]
mod tests;
