//! Leases, claims and commits: one worker per object, one machine per host, all or nothing.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::time::Duration;

use jiff::Timestamp;
use rack::{
    LEASE, all_kinds, commit, commit_and_keep, commit_on, enters, lease, lease_all, network, put_host,
    put_network, step, update, waits,
};
use underlay_core::{
    Effect, ErrorKind, Failure,
    observation::{Body, Observation, Source},
};
use underlay_store::{Decision, Error, Store, on_both_databases, operation::Ending, testing::Database};

fn boot(id: underlay_core::ObjectId, what: &str) -> Observation {
    Observation { id, source: Source::Boot, at: Timestamp::now(), body: Body::Boot { what: what.into() } }
}

async fn workers_never_share_an_object(database: &Database) {
    let store = database.open().await;
    for number in 0..20 {
        put_network(&store, &format!("n{number}")).await;
    }
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..6 {
        let store = store.clone();
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let now = Timestamp::now();
                let owner = format!("w{worker}");
                let leases = store.lease_next(&owner, &all_kinds(), 2, now, LEASE).await.expect("lease").0;
                let leased: u64 = store.queue_depth(now).await.expect("depth");
                mine.extend(leases.iter().map(|lease| lease.id));
                if leased == 0 {
                    return mine;
                }
            }
        });
    }
    let mut leased: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    leased.sort();
    let all = leased.len();
    leased.dedup();
    assert_eq!((leased.len(), all), (20, 20));
}

async fn a_lease_that_ran_out_is_taken_over_and_its_holder_fenced(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let slow = lease(&store, made.id(), "slow").await;
    let base = store.snapshot(made.id()).await.expect("snapshot").expect("there");
    assert!(lease_all(&store, "other").await.is_empty(), "nobody else gets it meanwhile");
    let late = Timestamp::now() + LEASE + Duration::from_secs(1);
    let (leases, _) = store.lease_next("other", &all_kinds(), 10, late, LEASE).await.expect("lease");
    assert_eq!(leases.len(), 1);
    let error = commit_on(&store, &slow, &base, enters("serving"), vec![]).await.expect_err("fenced");
    assert!(matches!(error, Error::Fenced { .. }), "{error}");
    assert!(matches!(store.release(&slow, late).await, Err(Error::Fenced { .. })));
    commit(&store, &leases[0], enters("serving"), vec![]).await.expect("the new holder commits");
    assert_eq!(store.get(made.id()).await.expect("get").expect("there").phase, "serving");
}

async fn leases_of_a_dead_server_are_ended_at_once_and_their_holder_fenced(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let held = lease(&store, made.id(), "dead").await;
    let base = store.snapshot(made.id()).await.expect("snapshot").expect("there");
    assert_eq!(store.end_leases().await.expect("end"), 1);
    assert_eq!(lease_all(&store, "next").await.len(), 1, "it need not wait");
    let error = commit_on(&store, &held, &base, enters("serving"), vec![]).await.expect_err("fenced");
    assert!(matches!(error, Error::Fenced { .. }), "{error}");
}

async fn a_step_on_an_object_that_changed_is_not_committed(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let held = lease(&store, made.id(), "worker").await;
    let base = store.snapshot(made.id()).await.expect("snapshot").expect("there");
    store.put(network("boot", update(made.raw.meta.incarnation), 90)).await.expect("update");
    let error = commit_on(&store, &held, &base, enters("serving"), vec![]).await.expect_err("conflict");
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(store.get(made.id()).await.expect("get").expect("there").phase, "pending");
    store.release(&held, Timestamp::now() + LEASE).await.expect("release");
    assert_eq!(lease_all(&store, "worker").await.len(), 1, "the change wakes it at once");
}

async fn a_wake_during_a_step_is_not_lost(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let held = lease(&store, made.id(), "worker").await;
    store.observe(&boot(made.id(), "fetched the kernel")).await.expect("observe");
    commit(&store, &held, waits("for an hour"), vec![]).await.expect("commit");
    let again = lease(&store, made.id(), "worker").await;
    commit(&store, &again, waits("for an hour"), vec![]).await.expect("commit");
    assert!(lease_all(&store, "worker").await.is_empty(), "it is looked at once more, then rests");
    store.observe(&boot(made.id(), "fetched the kernel")).await.expect("observe");
    assert!(lease_all(&store, "worker").await.is_empty(), "hearing the same again wakes nobody");
    store.observe(&boot(made.id(), "fetched the initrd")).await.expect("observe");
    assert_eq!(lease_all(&store, "worker").await.len(), 1);
}

async fn a_lease_is_kept_while_its_object_advances(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    let first = lease(&store, made.id(), "worker").await;
    let kept = commit_and_keep(&store, &first, enters("serving")).await.expect("commit");
    let kept = kept.expect("it is due at once, and stays with its worker");
    assert!(lease_all(&store, "other").await.is_empty(), "nobody else gets it between two steps");
    assert_eq!(store.get(made.id()).await.expect("get").expect("there").phase, "serving");
    store.observe(&boot(made.id(), "fetched the kernel")).await.expect("observe");
    let rests = commit_and_keep(&store, &kept, waits("for an hour")).await.expect("commit");
    assert_eq!(rests, None, "whoever waits gives it back");
    let woken = lease_all(&store, "other").await;
    assert_eq!(woken.len(), 1, "what came during the second step wakes it");
    let kept = commit_and_keep(&store, &woken[0], enters("ready")).await.expect("commit").expect("kept");
    let late = Timestamp::now() + LEASE + Duration::from_secs(1);
    let (taken, _) = store.lease_next("next", &all_kinds(), 10, late, LEASE).await.expect("lease");
    assert_eq!(taken.len(), 1, "one that its worker let run out is taken over");
    let error = commit_and_keep(&store, &kept, enters("late")).await.expect_err("fenced");
    assert!(matches!(error, Error::Fenced { .. }), "{error}");
    assert_eq!(store.get(made.id()).await.expect("get").expect("there").phase, "ready");
}

async fn of_two_machines_that_claim_a_host_exactly_one_wins(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let mut racers = tokio::task::JoinSet::new();
    let mut machines = Vec::new();
    for name in ["a", "b", "c", "d"] {
        machines.push(put_network(&store, name).await.id());
    }
    let leases = lease_all(&store, "worker").await;
    for lease in leases.into_iter().filter(|lease| lease.id != host) {
        let store = store.clone();
        racers.spawn(async move {
            let effects = vec![Effect::Claim { host }, Effect::Note { text: "claimed".into() }];
            (lease.id, commit(&store, &lease, enters("claimed"), effects).await)
        });
    }
    let results = racers.join_all().await;
    let holder = store.holder(host).await.expect("holder").expect("somebody has it");
    assert!(machines.contains(&holder));
    for (id, result) in results {
        let phase = store.get(id).await.expect("get").expect("there").phase;
        let events = store.events(Some(id), 0, 10).await.expect("events");
        match result {
            Ok(()) => assert_eq!((id, phase.as_str()), (holder, "claimed")),
            Err(Error::Claimed { by, .. }) => {
                assert_eq!((by, phase.as_str()), (holder, "pending"));
                assert!(events.is_empty(), "nothing of a lost step is kept: {events:?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn what_is_seen_of_a_host_wakes_its_holder(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let machine = put_network(&store, "web-0").await.id();
    let claim = vec![Effect::Claim { host }];
    step(&store, machine, waits("the agent"), claim).await;
    step(&store, host, waits("nothing"), vec![]).await;
    assert!(lease_all(&store, "worker").await.is_empty());
    let before = store.get(machine).await.expect("get").expect("there").raw.progress.evidence_at;
    store.observe(&boot(host, "fetched the kernel")).await.expect("observe");
    let held = lease(&store, machine, "worker").await;
    commit(&store, &held, waits("the agent"), vec![]).await.expect("commit");
    let after = store.get(machine).await.expect("get").expect("there").raw.progress.evidence_at;
    assert!(after > before, "what the host shows is evidence for its machine");
    step(&store, host, waits("nothing"), vec![]).await;
    store.wake(machine).await.expect("wake");
    step(&store, machine, Decision::Gone, vec![]).await;
    assert_eq!(store.holder(host).await.expect("holder"), None, "who is gone holds nothing");
    assert_eq!(lease_all(&store, "worker").await.len(), 1, "and the host is told");
}

async fn observations_and_commits_never_wait_for_each_other_in_a_circle(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let machine = put_network(&store, "web-0").await.id();
    step(&store, machine, waits("the agent"), vec![Effect::Claim { host }]).await;
    let observing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..100 {
                store.observe(&boot(host, &format!("seen {number}"))).await.expect("observe");
            }
        }
    });
    let kinds = [underlay_core::Kind::Network].into();
    for number in 0..100 {
        store.wake(machine).await.expect("wake");
        // A row that is just being written is stepped over, so ask until it is had.
        let held = loop {
            let (due, _) = store.lease_next("w", &kinds, 1, Timestamp::now(), LEASE).await.expect("lease");
            if let Some(held) = due.into_iter().next() {
                break held;
            }
        };
        let effects = vec![Effect::Release { host }, Effect::Claim { host }];
        let reason = format!("the agent, {number}");
        commit(&store, &held, waits(&reason), effects).await.expect("commit");
    }
    observing.await.expect("every observation is kept");
}

async fn standing_moves_with_evidence_only(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await.id();
    let standing = async |store: &Store| store.get(made).await.expect("get").expect("there");
    step(&store, made, waits("power"), vec![]).await;
    let first = standing(&store).await;
    store.wake(made).await.expect("wake");
    step(&store, made, waits("power"), vec![]).await;
    let same = standing(&store).await;
    assert_eq!(
        same.raw.meta.revision, first.raw.meta.revision,
        "a step that changes nothing is not in the feed"
    );
    assert_eq!(same.raw.progress.evidence_at, first.raw.progress.evidence_at);
    store.wake(made).await.expect("wake");
    step(&store, made, waits("the agent"), vec![]).await;
    let other = standing(&store).await;
    assert!(other.raw.progress.evidence_at > first.raw.progress.evidence_at);
    assert_eq!(other.raw.progress.since, first.raw.progress.since, "it is still in the same state");
    store.wake(made).await.expect("wake");
    let failure = Failure::new(ErrorKind::Transient, "boot", "the BMC is busy", "nothing", "wait");
    let again = Duration::from_secs(3600);
    step(&store, made, Decision::Retry { failure: failure.clone(), again }, vec![]).await;
    let retried = standing(&store).await.raw.progress;
    assert_eq!((retried.attempts, retried.failure.as_ref()), (1, Some(&failure)));
    assert_eq!(retried.evidence_at, other.raw.progress.evidence_at, "a failed try is no evidence");
    assert_eq!(retried.waiting_for.as_deref(), Some("the agent"));
}

async fn time_in_which_nobody_looked_is_no_silence(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await.id();
    step(&store, made, waits("power"), vec![]).await;
    let evidence = async || store.get(made).await.expect("get").expect("there").raw.progress.evidence_at;
    let before = evidence().await;
    // It was due for minutes, because whoever held it had died.
    store.wake(made).await.expect("wake");
    let mut late = lease(&store, made, "other").await;
    late.due_at = late.leased_at - Duration::from_secs(330);
    commit(&store, &late, waits("power"), vec![]).await.expect("commit");
    assert_eq!(evidence().await.as_microsecond(), late.leased_at.as_microsecond());
    assert!(evidence().await > before);
}

async fn what_a_clock_that_was_ahead_has_queued_is_looked_at(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await.id();
    step(&store, made, waits("power"), vec![]).await;
    assert!(lease_all(&store, "me").await.is_empty(), "it rests for an hour");
    assert_eq!(store.end_far_waits(Timestamp::now()).await.expect("asked"), 0, "an hour is not far");
    let ten_years_ago = Timestamp::now() - jiff::SignedDuration::from_hours(10 * 365 * 24);
    assert_eq!(store.end_far_waits(ten_years_ago).await.expect("asked"), 1);
    assert_eq!(lease_all(&store, "me").await.len(), 1);
}

async fn an_operation_tells_the_phases_and_the_end(database: &Database) {
    let store = database.open().await;
    let made = put_network(&store, "boot").await;
    step(&store, made.id(), enters("booting"), vec![]).await;
    step(&store, made.id(), waits("the agent to call home"), vec![]).await;
    store.wake(made.id()).await.expect("wake");
    let failure = Failure::new(ErrorKind::Permanent, "boot", "no image", "nothing", "put one");
    let Decision::Advance(next) = enters("failed") else { panic!("an advance") };
    let decision = Decision::Failed { next, failure: failure.clone(), again: None };
    step(&store, made.id(), decision, vec![]).await;
    let newest = store.operations(Some(made.id()), 1).await.expect("operations").remove(0);
    let operation = store.operation(newest.id).await.expect("operation").expect("there");
    assert_eq!((operation.ending, operation.failure.as_ref()), (Some(Ending::Failed), Some(&failure)));
    let phases: Vec<_> = operation.steps.iter().map(|step| (step.seq, step.phase.as_str())).collect();
    assert_eq!(phases, [(0, "pending"), (1, "booting"), (2, "failed")]);
    assert_eq!(operation.steps[1].note, "the agent to call home");
    assert!(operation.steps.iter().all(|step| step.left_at.is_some()));
    let record = store.get(made.id()).await.expect("get").expect("there");
    assert_eq!(record.raw.meta.observed_generation, 1);
    let texts: Vec<_> = store
        .latest_events(made.id(), 10)
        .await
        .expect("events")
        .into_iter()
        .map(|event| event.text)
        .collect();
    assert_eq!(texts[..2], ["enters booting", "waits: the agent to call home"]);
    assert!(texts[2].starts_with("failed: boot: no image"), "{texts:?}");
}

async fn a_change_wakes_those_that_name_it(database: &Database) {
    let store = database.open().await;
    let mut request = network("front", underlay_store::Intent::Create, 60);
    request.references = vec![underlay_core::Reference::new(underlay_core::Kind::Network, "back", "uplink")];
    let front = store.put(request).await.expect("put").record.id();
    step(&store, front, waits("network back"), vec![]).await;
    assert!(lease_all(&store, "worker").await.is_empty());
    let back = put_network(&store, "back").await.id();
    step(&store, front, waits("network back to serve"), vec![]).await;
    step(&store, back, enters("serving"), vec![]).await;
    step(&store, front, Decision::Done { audit: None }, vec![]).await;
}

on_both_databases!(
    workers_never_share_an_object,
    a_lease_that_ran_out_is_taken_over_and_its_holder_fenced,
    leases_of_a_dead_server_are_ended_at_once_and_their_holder_fenced,
    a_step_on_an_object_that_changed_is_not_committed,
    a_wake_during_a_step_is_not_lost,
    a_lease_is_kept_while_its_object_advances,
    of_two_machines_that_claim_a_host_exactly_one_wins,
    what_is_seen_of_a_host_wakes_its_holder,
    observations_and_commits_never_wait_for_each_other_in_a_circle,
    standing_moves_with_evidence_only,
    time_in_which_nobody_looked_is_no_silence,
    what_a_clock_that_was_ahead_has_queued_is_looked_at,
    an_operation_tells_the_phases_and_the_end,
    a_change_wakes_those_that_name_it,
);
