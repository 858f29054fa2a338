//! Systems that are taken as they stand: attributes go to the agent that lives there, and nothing else ever happens to the host
//! until its owner says so.

use std::time::Duration;

use serde_json::json;
use underlay_core::{
    Effect, ObjectId,
    agent::{Task, attributes::Attributes},
    host::{self, Driver, Host, OnDestroy},
    machine::{ADOPTED, Aspect, Disruption, Machine, Redeploy, Spec},
    observation::{Body, Source},
    profile::{self, Declaration, Profile, Values},
    resident::{Line, System, Written},
};

use super::deploying::deploys;
use crate::{
    bmc::fake::Call,
    testing::{self, Rack, machine},
};

fn adopted() -> host::Spec {
    host::Spec { driver: Driver::None, on_destroy: OnDestroy::Forget, protected: true, ..testing::host(1) }
}

fn standing() -> Spec {
    let allow_disruption = Disruption::Reboot;
    Spec { image: ADOPTED.into(), profiles: vec!["base".into()], allow_disruption, ..machine("lab-1") }
}

fn profile(server: &str) -> profile::Spec {
    let ty = "string".parse().expect("a type");
    let ntp = Declaration { ty, required: true, secret: false, description: String::new() };
    let values = Values::from([("ntp".to_owned(), json!(server))]);
    profile::Spec { schema: [("ntp".to_owned(), ntp)].into(), values, ..profile::Spec::default() }
}

/// The agent says what it has written.
fn says(rack: &Rack, host: ObjectId, line: Line, written: Written) {
    let (system, inventory) = (Box::new(System::default()), Box::new(testing::inventory(1)));
    rack.observe(host, Source::Resident, Body::Resident { line, system, inventory, written });
}

/// What the agent is to write.
fn order(rack: &Rack, host: ObjectId) -> Option<Attributes> {
    match rack.store().assignments.get(&host).map(|work| work.task.clone()) {
        Some(Task::Attributes(attributes)) => Some(attributes),
        _ => None,
    }
}

/// The agent writes it.
fn obeys(rack: &Rack, host: ObjectId) {
    let fingerprint = order(rack, host).unwrap_or_default().fingerprint;
    says(rack, host, Line::Open, Written { fingerprint, failure: None });
}

async fn lab() -> (Rack, ObjectId) {
    let rack = Rack::default();
    rack.put::<Profile>("base", profile("10.0.0.1"));
    let host = rack.put::<Host>("lab-1", adopted());
    says(&rack, host, Line::Open, Written::default());
    rack.run_due().await;
    (rack, host)
}

async fn taken() -> (Rack, ObjectId, ObjectId) {
    let (rack, host) = lab().await;
    let id = rack.put::<Machine>("db", standing());
    rack.run_due().await;
    obeys(&rack, host);
    assert_eq!(rack.settle(id).await, "ready", "{:?}", rack.machine(id).progress);
    (rack, host, id)
}

fn is_left_alone(rack: &Rack) {
    let calls = rack.bmc("lab-1").calls();
    assert!(calls.iter().all(|call| *call == Call::Observe), "{calls:?}");
    let harms = |effect: &Effect| {
        matches!(effect, Effect::Claim { .. } | Effect::PutBootPlan { .. } | Effect::GrantToken(_))
    };
    assert!(!rack.store().effects.iter().any(harms), "its agent stays, and nothing is set to boot");
    assert_eq!(deploys(rack), 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_once_the_agent_has_written_its_attributes_and_gets_new_ones_live() {
    let (rack, host) = lab().await;
    let id = rack.put::<Machine>("db", standing());
    rack.run_due().await;
    assert_eq!(rack.phase::<Machine>(id), "adopting");
    let first = order(&rack, host).expect("attributes");
    let [values] = first.files.as_slice() else { panic!("{first:?}") };
    assert_eq!((values.path.as_str(), values.mode.as_str()), ("/etc/underlay/values.json", "0644"));
    assert!(values.content.0.contains("10.0.0.1"));
    let stale = Written { fingerprint: "of another machine".into(), failure: None };
    says(&rack, host, Line::Open, stale);
    rack.go_on(Duration::from_secs(60)).await;
    assert_eq!(rack.phase::<Machine>(id), "adopting", "that is not what it was given");
    obeys(&rack, host);
    assert_eq!(rack.settle(id).await, "ready");

    rack.put::<Profile>("base", profile("10.0.0.2"));
    rack.run_due().await;
    assert_eq!(rack.phase::<Machine>(id), "adopting", "what it inherits does not wait here");
    let second = order(&rack, host).expect("attributes");
    assert_ne!(second.fingerprint, first.fingerprint);
    assert!(second.files[0].content.0.contains("10.0.0.2"));
    obeys(&rack, host);
    assert_eq!(rack.settle(id).await, "ready");
    let machine = rack.machine(id);
    assert!(machine.status.pending.is_empty());

    let raised = Redeploy { generation: 7, on: [Aspect::Config, Aspect::Image].into() };
    let values = Values::from([("ntp".to_owned(), json!("10.0.0.3"))]);
    rack.put::<Machine>("db", Spec { redeploy: raised, values, ..standing() });
    rack.run_due().await;
    obeys(&rack, host);
    assert_eq!(rack.settle(id).await, "ready");
    is_left_alone(&rack);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_not_there_is_waited_for_and_one_that_cannot_write_is_quoted() {
    let rack = Rack::default();
    rack.put::<Profile>("base", profile("10.0.0.1"));
    let host = rack.put::<Host>("lab-1", adopted());
    let id = rack.put::<Machine>("db", standing());
    rack.go_on(Duration::from_secs(3600)).await;
    let waits = rack.machine(id).progress.waiting_for.expect("it waits");
    assert!(waits.contains("underlay adopt lab-1 --again"), "{waits}");
    says(&rack, host, Line::Open, Written::default());
    rack.go_on(Duration::from_secs(60)).await;
    let fingerprint = order(&rack, host).expect("attributes").fingerprint;
    let failure = Some("/etc/app.conf is there already".to_owned());
    says(&rack, host, Line::Open, Written { fingerprint, failure });
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("/etc/app.conf is there already"), "{failure}");
    rack.apply_again(id);
    rack.run_due().await;
    obeys(&rack, host);
    assert_eq!(rack.settle(id).await, "ready");
    is_left_alone(&rack);
}

#[tokio::test(start_paused = true)]
async fn destroyed_its_attributes_are_taken_away_and_the_host_is_let_go_as_it_is() {
    let (rack, host, id) = taken().await;
    rack.delete(id);
    rack.run_due().await;
    assert_eq!((rack.phase::<Machine>(id), order(&rack, host)), ("releasing", None));
    says(&rack, host, Line::Open, Written::default());
    rack.go_on(Duration::from_secs(10)).await;
    assert!(rack.is_gone(id));
    assert_eq!(rack.get::<Host>(host).status.machine, None);
    is_left_alone(&rack);
}

#[tokio::test(start_paused = true)]
async fn destroyed_while_its_agent_is_away_or_deaf_it_is_gone_all_the_same() {
    for line in [Line::Closed, Line::Open] {
        let (rack, host, id) = taken().await;
        let fingerprint = order(&rack, host).expect("attributes").fingerprint;
        rack.store().now += Duration::from_secs(1);
        says(&rack, host, line, Written { fingerprint, failure: None });
        rack.delete(id);
        rack.go_on(Duration::from_secs(600)).await;
        assert!(rack.is_gone(id), "{line:?}");
        assert!(rack.store().serves_nothing(), "when it is heard again it is told to take them away");
        is_left_alone(&rack);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_redeployed_only_when_its_owner_says_so_and_its_agent_is_put_out_then() {
    let (rack, host, id) = taken().await;
    rack.put_image('a');
    let image = Spec { profiles: vec!["base".into()], ..machine("lab-1") };
    // Three things are in the way, and each keeps the system as it is.
    rack.put::<Machine>("db", Spec { allow_disruption: Disruption::Reboot, ..image.clone() });
    assert_eq!(rack.settle(id).await, "ready", "the fence: {:?}", rack.machine(id).progress);
    assert_eq!(rack.machine(id).status.pending, [Aspect::Image].into());
    rack.put::<Machine>("db", image.clone());
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("protected"), "{failure}");
    rack.put::<Host>("lab-1", host::Spec { protected: false, ..adopted() });
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.next.contains("redfish, ipmi or manual"), "{failure}");
    is_left_alone(&rack);

    rack.put::<Host>("lab-1", testing::host(1));
    rack.run_due().await;
    rack.apply_again(id);
    rack.run_due().await;
    let order = |wanted: &Effect| rack.store().effects.iter().position(|effect| effect == wanted);
    let (left, claimed) = (order(&Effect::Release { host }), order(&Effect::Claim { host }));
    assert!(left.is_some() && left < claimed, "its agent is put out by the claim: {left:?} {claimed:?}");
    let back = Spec { image: ADOPTED.into(), ..image };
    rack.put::<Machine>("db", back);
    assert_eq!(deploys(&rack), 0);
}
