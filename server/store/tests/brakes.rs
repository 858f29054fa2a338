//! Brakes and cancellations: where they stand, what they wake, what they keep from being committed; backups and what a
//! restore voids.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::time::Duration;

use jiff::Timestamp;
use rack::{commit, commit_on, enters, key, lease, lease_all, put_host, step, waits};
use underlay_core::{
    Brake, Brakes, Cancellation, Effect, Mac, Name, ObjectId, View,
    agent::{Assignment, Leave, Purpose, Task, TokenGrant},
    boot::{Plan, Token, digest},
    brake::{Kind, Reach, Scope},
    cancellation::Until,
    machine::{Machine, RootHint, Spec, WaitFor},
};
use underlay_store::{
    Decision, Error, Intent, Kept, PutRequest, Record, SealingKey, Store,
    api_token::{ApiToken, Role},
    on_both_databases,
    operation::Ending,
    testing::Database,
};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn freeze(site: Option<&str>, pool: Option<&str>) -> Brake {
    let reach = Reach { site: site.map(name), pool: pool.map(name) };
    // As fine as the store keeps it.
    let since = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).expect("a time");
    Brake { kind: Kind::Freeze, reach, by: "ops".into(), since, reason: "switch work".into() }
}

fn scope(site: &str, pool: Option<&str>) -> Scope {
    Scope { site: name(site), pool: pool.map(name) }
}

async fn put_machine(store: &Store, name: &str) -> Record {
    let spec = Spec {
        hostname: "web".into(),
        image: format!("debian@sha256:{}", "a".repeat(64)),
        host: Some("r1".into()),
        require: None,
        spread: None,
        root: RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: Vec::new(),
        user_data_digest: None,
        profiles: Vec::new(),
        values: Default::default(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: Default::default(),
        redeploy: Default::default(),
        wait_for: WaitFor::Booted,
    };
    let request = PutRequest::new::<Machine>(key("web", name), &spec, Intent::Create).expect("a request");
    store.put(request).await.expect("put").record
}

async fn a_brake_stands_over_its_reach_until_it_is_lifted(database: &Database) {
    let store = database.open().await;
    let brake = freeze(Some("default"), Some("lab"));
    assert_eq!(store.put_brake(&brake).await.unwrap(), brake);
    let again = Brake { by: "somebody else".into(), ..brake.clone() };
    assert_eq!(store.put_brake(&again).await.unwrap(), brake, "the first one stays");
    // Another server, or the same one after kill -9, sees the same.
    let other = database.open().await;
    for (scope, held) in [
        (scope("default", Some("lab")), true),
        (scope("default", Some("db")), false),
        (scope("default", None), false),
        (scope("paris", Some("lab")), false),
    ] {
        assert_eq!(other.hold(&scope).await.unwrap().brake.is_some(), held, "{scope:?}");
    }
    let now = Timestamp::now();
    assert!(store.lift_brake(Kind::Freeze, &Reach::default(), "ops", now).await.unwrap().is_none());
    assert_eq!(store.lift_brake(Kind::Freeze, &brake.reach, "ops", now).await.unwrap(), Some(brake.clone()));
    assert!(store.lift_brake(Kind::Freeze, &brake.reach, "ops", now).await.unwrap().is_none(), "once");
    let hold = store.hold(&scope("default", Some("lab"))).await.unwrap();
    assert!(hold.brake.is_none());
    assert_eq!(
        hold.lifted_at.map(|at| at.as_microsecond()),
        Some(now.as_microsecond()),
        "deadlines count from here"
    );
    assert!(store.hold(&scope("default", Some("db"))).await.unwrap().lifted_at.is_none());
    assert!(store.standing_brakes().await.unwrap().is_empty());
    // It may be put again.
    assert_eq!(store.put_brake(&again).await.unwrap(), again);
}

async fn the_weightiest_brake_is_shown(database: &Database) {
    let store = database.open().await;
    store.put_brake(&freeze(None, None)).await.unwrap();
    let hold = Brake { kind: Kind::Restored, ..freeze(None, None) };
    store.put_brake(&hold).await.unwrap();
    store.put_brake(&freeze(Some("default"), None)).await.unwrap();
    let seen = store.hold(&scope("default", Some("lab"))).await.unwrap().brake;
    assert_eq!(seen.map(|brake| brake.kind), Some(Kind::Restored));
    assert_eq!(store.standing_brakes().await.unwrap().len(), 3);
}

async fn a_brake_and_its_end_wake_whoever_is_not_at_rest(database: &Database) {
    let store = database.open().await;
    let (busy, rests) = (put_host(&store, "r1").await.id(), put_host(&store, "r2").await.id());
    step(&store, busy, waits("its driver"), vec![]).await;
    step(&store, rests, settled("available"), vec![]).await;
    step(&store, rests, Decision::Done { audit: None }, vec![]).await;
    assert!(lease_all(&store, "w").await.is_empty());
    let brake = freeze(None, None);
    store.put_brake(&brake).await.unwrap();
    let held = lease(&store, busy, "w").await;
    let decision = Decision::Held { brake: brake.clone(), again: Duration::from_secs(3600) };
    commit(&store, &held, decision, vec![]).await.unwrap();
    let progress = store.get(busy).await.unwrap().unwrap().raw.progress;
    assert_eq!(progress.held, Some(brake.clone()));
    assert!(progress.waiting_for.unwrap().starts_with("frozen by ops since"));
    let events = store.latest_events(busy, 1).await.unwrap();
    assert!(events[0].text.contains("waits: frozen by ops"), "{events:?}");
    assert!(lease_all(&store, "w").await.is_empty(), "nobody looks while it stands");
    store.lift_brake(Kind::Freeze, &brake.reach, "ops", Timestamp::now()).await.unwrap();
    let woken: Vec<_> = lease_all(&store, "w").await.iter().map(|lease| lease.id).collect();
    assert_eq!(woken, [busy]);
}

fn settled(phase: &str) -> Decision {
    let Decision::Advance(entered) = enters(phase) else { panic!("it advances") };
    Decision::Advance(underlay_store::Entered { settled: true, ..entered })
}

async fn what_was_decided_before_a_brake_is_not_committed_after_it(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let machine = put_machine(&store, "web").await.id();
    step(&store, machine, enters("powering_off"), vec![Effect::Claim { host }]).await;
    let leave = Assignment { host, on_behalf_of: machine, epoch: 1, task: Task::Leave(Leave::Reboot) };
    let plan = Plan::Agent { token: Token("t".into()), epoch: 1, host };
    let effects = [Effect::Assign(leave), Effect::PutBootPlan { mac: Mac([2, 0, 0, 0, 0, 1]), host, plan }];
    for effect in effects {
        let held = lease(&store, machine, "w").await;
        let base = store.snapshot(machine).await.unwrap().unwrap();
        store.put_brake(&freeze(None, Some("lab"))).await.unwrap();
        let lost = commit_on(&store, &held, &base, enters("on"), vec![effect.clone()]).await;
        assert!(matches!(lost, Err(Error::Conflict { .. })), "{lost:?}");
        assert!(store.assignment(host).await.unwrap().is_none());
        assert!(store.boot_plans(None).await.unwrap().plans.is_empty());
        // What holds nothing up passes all the same.
        let stay = Assignment { host, on_behalf_of: machine, epoch: 1, task: Task::Stay };
        commit_on(&store, &held, &base, waits("x"), vec![Effect::Assign(stay)]).await.unwrap();
        let reach = freeze(None, Some("lab")).reach;
        store.lift_brake(Kind::Freeze, &reach, "ops", Timestamp::now()).await.unwrap();
        step(&store, machine, enters("on"), vec![Effect::Unassign { host }]).await;
        step(&store, machine, enters("powering_off"), vec![effect, Effect::Unassign { host }]).await;
        step(&store, machine, enters("again"), vec![Effect::DropBootPlans { host }]).await;
    }
}

async fn a_cancellation_is_kept_wakes_and_ends_with_its_object(database: &Database) {
    let store = database.open().await;
    let id = put_host(&store, "r1").await.id();
    step(&store, id, waits("its driver"), vec![]).await;
    assert!(View::cancellation(&store, id).await.unwrap().is_none());
    let at = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
    let wish = Cancellation { generation: 1, by: "ops".into(), at, reason: "".into(), until: Until::Written };
    store.cancel(id, &wish).await.unwrap();
    assert_eq!(View::cancellation(&store, id).await.unwrap(), Some(wish.clone()));
    let harder = Cancellation { until: Until::TheEnd, reason: "wrong rack".into(), ..wish };
    store.cancel(id, &harder).await.unwrap();
    assert_eq!(View::cancellation(&store, id).await.unwrap(), Some(harder));
    step(&store, id, Decision::Gone, vec![]).await;
    assert!(View::cancellation(&store, id).await.unwrap().is_none());
}

async fn a_restored_database_is_harmless(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let (going, leaving) = (put_machine(&store, "web").await, put_machine(&store, "old").await);
    let grant = TokenGrant {
        digest: digest("t"),
        host,
        on_behalf_of: going.id(),
        epoch: 1,
        purpose: Purpose::Agent,
        expires_at: Timestamp::now() + Duration::from_secs(3600),
    };
    let plan = Plan::Agent { token: Token("t".into()), epoch: 1, host };
    let effects = vec![
        Effect::Claim { host },
        Effect::GrantToken(grant),
        Effect::PutBootPlan { mac: Mac([2, 0, 0, 0, 0, 1]), host, plan },
        Effect::Assign(Assignment {
            host,
            on_behalf_of: going.id(),
            epoch: 1,
            task: Task::Leave(Leave::Reboot),
        }),
    ];
    step(&store, going.id(), enters("booting"), effects).await;
    store.delete(leaving.id(), leaving.raw.meta.incarnation).await.unwrap();
    let token = api_token("ci");
    store.add_api_token(&token).await.unwrap();
    let stale = lease(&store, going.id(), "a server that is no more").await;
    let cursor = store.head().await.unwrap();

    let voided = store.void_after_restore("uid 0", Kept::Nothing, Timestamp::now()).await.unwrap();
    assert_eq!((voided.operations, voided.deletions, voided.api_tokens), (1, 1, 1));
    assert!(store.boot_plans(None).await.unwrap().plans.is_empty());
    assert!(store.assignment(host).await.unwrap().is_none());
    let bearer = underlay_store::token::Bearer { key: "k".into(), address: "10.0.0.9".into() };
    let redeemed = store.redeem(&digest("t"), Purpose::Agent, &bearer, Timestamp::now()).await.unwrap();
    assert_eq!(redeemed, underlay_store::token::Redemption::Unknown);
    assert!(store.authenticate(&token.digest, Timestamp::now()).await.unwrap().is_none());
    let lost = commit(&store, &stale, waits("x"), vec![]).await;
    assert!(matches!(lost, Err(Error::Fenced { .. } | Error::Conflict { .. })), "{lost:?}");
    assert!(matches!(store.changes(cursor + 5, Default::default(), 10).await, Err(Error::Expired { .. })));
    let wish = View::cancellation(&store, going.id()).await.unwrap().expect("called off");
    assert_eq!((wish.until, wish.generation), (Until::TheEnd, 1));
    let kept = store.get(leaving.id()).await.unwrap().unwrap();
    assert!(kept.raw.meta.deleted_at.is_none(), "a deletion has to be asked for again");
    let operations = store.operations(Some(leaving.id()), 1).await.unwrap();
    assert_eq!(operations[0].ending, Some(Ending::Superseded));
    assert_eq!(store.holder(host).await.unwrap(), Some(going.id()), "claims are what the backup says");
    let brakes = store.standing_brakes().await.unwrap();
    assert_eq!(brakes[0].kind, Kind::Restored);
    assert_eq!(store.verify_audit().await.unwrap().fault, None);
}

fn api_token(name: &str) -> ApiToken {
    ApiToken {
        digest: digest(name),
        name: name.into(),
        role: Role::Operator,
        owner: None,
        site: Some("default".parse().expect("a name")),
        pool: None,
        may_unprotect: false,
        created_at: Timestamp::from_second(1_700_000_000).expect("a time"),
        expires_at: None,
        revoked_at: None,
    }
}

async fn a_backup_made_while_others_write_is_whole(database: &Database) {
    let store = database.open().await;
    let path = database.folder().join("copy.db");
    if database.url().starts_with("postgres") {
        assert!(matches!(store.backup(&path).await, Err(Error::NoBackup)));
        return;
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let writing = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let mut made = Vec::new();
            while !stop.is_cancelled() {
                made.push(put_host(&store, &format!("h{}", made.len())).await.id());
            }
            made
        }
    });
    while store.head().await.unwrap() < 20 {
        tokio::task::yield_now().await;
    }
    store.backup(&path).await.unwrap();
    stop.cancel();
    let made: Vec<ObjectId> = writing.await.unwrap();
    let copy = Store::open(path.to_str().unwrap(), SealingKey::new(&[7; 32])).await.unwrap();
    assert_eq!(copy.check().await.unwrap(), None);
    // One moment: of what was made one after the other, the copy has the first ones and no gap.
    let known = copy.batch_get(&made).await.unwrap();
    let there: Vec<_> = made.iter().map(|id| known.contains_key(id)).collect();
    let first_missing = there.iter().position(|there| !there).unwrap_or(there.len());
    assert!(first_missing >= 10 && there[first_missing..].iter().all(|there| !there), "{there:?}");
    copy.close().await;
}

on_both_databases!(
    a_brake_stands_over_its_reach_until_it_is_lifted,
    the_weightiest_brake_is_shown,
    a_brake_and_its_end_wake_whoever_is_not_at_rest,
    what_was_decided_before_a_brake_is_not_committed_after_it,
    a_cancellation_is_kept_wakes_and_ends_with_its_object,
    a_restored_database_is_harmless,
    a_backup_made_while_others_write_is_whole,
);
