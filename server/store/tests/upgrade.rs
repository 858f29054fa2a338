//! A database of an earlier release, with a deployment under way: it is brought to this schema, nothing in it is lost, and
//! the work is carried on.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use jiff::Timestamp;
use rack::{commit, key, lease};
use ring::digest::{SHA256, digest as sha256};
use secrecy::ExposeSecret;
use underlay_core::{
    Effect, Noun, Object, State as _, View,
    agent::{Purpose, Task},
    boot::{Plan, digest},
    host::Host,
    image::Image,
    machine::{Machine, State, USER_DATA},
};
use underlay_store::{
    Decision, Entered, Error, SealingKey, Store, on_both_databases,
    operation::Ending,
    testing::Database,
    token::{Bearer, Redemption},
};

/// The schema that release had.
const SCHEMA: [&str; 3] = [
    include_str!("../migrations/0001_object.sql"),
    include_str!("../migrations/0002_work.sql"),
    include_str!("../migrations/0003_boot.sql"),
];
/// What was in it.
const CONTENT: &str = include_str!("fixtures/0003_deploying.sql");

/// Makes the database as that release left it.
async fn as_it_was(database: &Database) {
    let table = "CREATE TABLE migration (version BIGINT NOT NULL PRIMARY KEY, digest TEXT NOT NULL)";
    database.meddle(table).await;
    for (version, text) in (1..).zip(SCHEMA) {
        let hash = sha256(&SHA256, text.as_bytes());
        let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        database.meddle(text).await;
        let applied = format!("INSERT INTO migration (version, digest) VALUES ({version}, '{hex}')");
        database.meddle(&applied).await;
    }
    database.meddle(CONTENT).await;
}

async fn read<N: Noun>(store: &Store, name: &str) -> Object<N> {
    let record = store.get_by_key(N::KIND, &key("web", name)).await.unwrap().expect("it is there");
    record.raw.decode::<N>().expect("every column reads as its type")
}

fn enters(state: State) -> Decision {
    let (phase, settled) = (state.phase().into(), state.is_settled());
    Decision::Advance(Entered { state: serde_json::to_value(state).unwrap(), phase, settled })
}

async fn a_deployment_under_way_is_carried_on_by_the_next_release(database: &Database) {
    as_it_was(database).await;
    let store = database.open().await;
    let (host, machine) = (read::<Host>(&store, "r1").await, read::<Machine>(&store, "web-1").await);
    read::<Image>(&store, "debian").await;
    let id = machine.meta.id;
    let State::Booting { run } = machine.state.clone() else { panic!("{:?}", machine.state) };
    assert_eq!((run.host, run.epoch), (host.meta.id, 7));
    assert_eq!(machine.progress.waiting_for.as_deref(), Some("the agent on host r1 to call home"));
    assert!(machine.progress.held.is_none());
    // What belongs to the boot under way still holds.
    assert_eq!(store.holder(host.meta.id).await.unwrap(), Some(id));
    let plans = store.boot_plans(None).await.unwrap().plans;
    assert!(matches!(&plans[0].plan, Plan::Agent { epoch: 7, .. }), "{plans:?}");
    assert_eq!(store.assignment(host.meta.id).await.unwrap().map(|it| it.task), Some(Task::Stay));
    let bearer = Bearer { key: "k".into(), address: "10.0.0.9".into() };
    let now = Timestamp::now();
    let redeemed = store.redeem(&digest("boot-token"), Purpose::Agent, &bearer, now).await.unwrap();
    assert!(matches!(redeemed, Redemption::Redeemed(grant) if grant.epoch == 7), "its agent may call home");
    let user_data = store.secret(id, USER_DATA).await.unwrap().expect("sealed by that release");
    assert_eq!(user_data.expose_secret(), "#cloud-config");
    // What is new is there, and empty.
    assert!(store.standing_brakes().await.unwrap().is_empty());
    assert!(View::cancellation(&store, id).await.unwrap().is_none());
    assert_eq!(store.verify_audit().await.unwrap().fault, None);
    // The same operation goes on, and ends.
    store.end_leases().await.unwrap();
    let open = store.operations(Some(id), 5).await.unwrap();
    assert_eq!((open.len(), open[0].finished_at), (1, None));
    let held = lease(&store, id, "the next release").await;
    let release = vec![Effect::DropBootPlans { host: host.meta.id }];
    let mut deployed = run.target.clone();
    deployed.ready_at = Some(now);
    commit(&store, &held, enters(State::Ready { deployed }), release).await.unwrap();
    let held = lease(&store, id, "the next release").await;
    commit(&store, &held, Decision::Done { audit: None }, Vec::new()).await.unwrap();
    let ended = store.operation(open[0].id).await.unwrap().unwrap();
    assert_eq!(ended.ending, Some(Ending::Done));
    let phases: Vec<_> = ended.steps.iter().map(|step| step.phase.as_str()).collect();
    assert_eq!(phases, ["pending", "powering_off", "powering_on", "booting", "ready"]);
    // A second start finds nothing to migrate.
    database.open().await.close().await;
}

async fn a_migration_that_was_edited_is_not_applied_over(database: &Database) {
    as_it_was(database).await;
    database.meddle("UPDATE migration SET digest = 'x' WHERE version = 2").await;
    let refused = Store::open(database.url(), SealingKey::new(&[7; 32])).await;
    assert!(matches!(refused, Err(Error::ForeignSchema { version: 2 })), "{refused:?}");
}

on_both_databases!(
    a_deployment_under_way_is_carried_on_by_the_next_release,
    a_migration_that_was_edited_is_not_applied_over,
);
