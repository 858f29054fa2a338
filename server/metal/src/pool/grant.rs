//! Open: count what is there, and answer everyone who wants a host.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use underlay_core::{
    Effect, Failure, Object, ObjectId, Snapshot, Step, View,
    allocation::{Answer, Candidate, Placed, Want, choose},
    host::Host,
    machine::Machine,
    pool::{Pool, Status},
    view,
};

/// How many answers of those who got no host are kept; the others wait without a reason of their own.
const ANSWERS: usize = 256;

pub(super) async fn step(snapshot: &Snapshot<Pool>, view: &dyn View) -> Result<Step<Pool>, Failure> {
    let unreadable = |error: view::Error| unreadable(snapshot, &error);
    let pool = snapshot.object.meta.id;
    let census = view.census(pool).await.map_err(unreadable)?;
    let mut status = Status {
        hosts: census.hosts,
        free: census.free,
        claimed: census.claimed,
        quarantined: census.quarantined,
        waiting: census.waiting,
        disrupted: u64::try_from(census.disturbed.len()).unwrap_or(u64::MAX),
        unmet: BTreeMap::new(),
    };
    if census.waiting == 0 {
        return Ok(Step::done(status, None));
    }
    let wants: Vec<Object<Machine>> =
        decoded(view.wants(pool).await.map_err(unreadable)?).map_err(unreadable)?;
    let candidates = candidates(snapshot, view).await?;
    let tenants: Vec<Object<Machine>> =
        decoded(view.tenants(pool).await.map_err(unreadable)?).map_err(unreadable)?;
    let answers = answer(&wants, &candidates, &tenants);
    let mut effects = Vec::new();
    for (machine, answer) in wants.iter().zip(answers) {
        let id = machine.meta.id;
        match answer {
            Answer::Host(host) => {
                effects.push(Effect::Grant { host, machine: id });
                status.free = status.free.saturating_sub(1);
                status.claimed += 1;
                status.waiting = status.waiting.saturating_sub(1);
            }
            Answer::None(why) => {
                let text = why.to_string();
                if status.unmet.len() >= ANSWERS {
                    continue;
                }
                if snapshot.object.status.unmet.get(&id) != Some(&text) {
                    effects.push(Effect::Wake { id });
                }
                status.unmet.insert(id, text);
            }
        }
    }
    // More wait than are answered at once, and those who got a host made room at the front of the queue.
    let some_left = census.waiting > wants.len() as u64;
    let gave = effects.iter().any(|effect| matches!(effect, Effect::Grant { .. }));
    let again = (some_left && gave).then_some(Duration::ZERO);
    Ok(effects.into_iter().fold(Step::done(status, again), Step::with))
}

fn answer(wants: &[Object<Machine>], candidates: &[Candidate], tenants: &[Object<Machine>]) -> Vec<Answer> {
    let asked: Vec<Want<'_>> = wants
        .iter()
        .filter_map(|machine| {
            let (key, spec) = (&machine.meta.key, &machine.spec);
            let (require, spread) = (spec.require.as_ref()?, spec.spread.as_ref());
            Some(Want { machine: machine.meta.id, owner: &key.owner, name: &key.name, require, spread })
        })
        .collect();
    let held: HashMap<ObjectId, ObjectId> =
        candidates.iter().filter_map(|host| Some((host.availability.holder()?, host.id))).collect();
    let placed: Vec<Placed<'_>> = tenants
        .iter()
        .filter_map(|machine| {
            let (key, spread) = (&machine.meta.key, machine.spec.spread.as_ref());
            let host = *held.get(&machine.meta.id)?;
            Some(Placed { owner: &key.owner, name: &key.name, spread, host })
        })
        .collect();
    let mut answers: BTreeMap<_, _> =
        asked.iter().map(|want| want.machine).zip(choose(&asked, candidates, &placed)).collect();
    let left = |machine: &Object<Machine>| answers.remove(&machine.meta.id);
    wants.iter().map(left).map(|answer| answer.unwrap_or_else(|| Answer::None(Default::default()))).collect()
}

async fn candidates(snapshot: &Snapshot<Pool>, view: &dyn View) -> Result<Vec<Candidate>, Failure> {
    let members =
        view.members(snapshot.object.meta.id).await.map_err(|error| unreadable(snapshot, &error))?;
    let trust = snapshot.object.spec.trust;
    let candidate = |(raw, holder): (view::RawObject, _)| {
        raw.decode::<Host>().map(|host| Candidate::new(&host, holder).trusted(&host, trust))
    };
    let candidates: Result<_, view::Error> = members.into_iter().map(candidate).collect();
    candidates.map_err(|error| unreadable(snapshot, &error))
}

fn decoded<N: underlay_core::Noun>(raws: Vec<view::RawObject>) -> Result<Vec<Object<N>>, view::Error> {
    raws.into_iter().map(|raw| raw.decode::<N>()).collect()
}

fn unreadable(snapshot: &Snapshot<Pool>, error: &view::Error) -> Failure {
    Failure::new(
        error.kind(),
        format!("pool {}: reading the store", snapshot.object.meta.key.name),
        underlay_core::because(error),
        "no host was given out",
        "see the server's log",
    )
}
