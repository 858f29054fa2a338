//! An agent that waits in a host's RAM when the deployment begins.

use std::time::Duration;

use underlay_core::{
    ObjectId,
    agent::{Inventory, Purpose},
    bmc::Target,
    boot::Plan,
    host::{BootMethod, Host},
    machine::{Machine, State, Takeover},
    observation::{Body, FRESH, Source},
};

use crate::{
    bmc::fake::Call,
    testing::{self, Rack, machine},
};

/// A rack in which an agent waits on `lab-1` that found that.
async fn waiting(inventory: Inventory) -> (Rack, ObjectId) {
    let rack = Rack::with_hosts(1).await;
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    let (since, boot_mac) = (rack.now(), testing::mac(1));
    let body = Body::Waiting { since, boot_mac, inventory: Box::new(inventory) };
    rack.observe(host, Source::Waiting, body);
    rack.run_due().await;
    (rack, host)
}

fn phases(rack: &Rack, id: ObjectId) -> Vec<&'static str> {
    rack.store().entered.iter().filter(|(of, _)| *of == id).map(|(_, phase)| *phase).collect()
}

/// What the agent does that waits: it is given the token of the boot plan, and calls home with it.
fn takes_its_token(rack: &Rack, host: ObjectId) {
    let plan = rack.store().plans.get(&testing::mac(1)).cloned();
    let Some((_, Plan::Agent { token, .. })) = plan else { panic!("no plan: {plan:?}") };
    let grant = rack.redeem(&token.digest(), Purpose::Agent).expect("a good token");
    let inventory = Box::new(testing::inventory(1));
    rack.observe(host, Source::Waiting, Body::Left);
    rack.observe(host, Source::Inventory, Body::Inventory { epoch: grant.epoch, inventory });
}

#[tokio::test(start_paused = true)]
async fn it_is_given_its_work_and_nothing_is_switched() {
    let (rack, host) = waiting(testing::inventory(1)).await;
    let status = rack.get::<Host>(host).status;
    assert!(status.waiting_since.is_some() && status.inventory == Some(testing::inventory(1)), "{status:?}");
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.run_due().await;
    assert_eq!(phases(&rack, id), ["powering_off", "booting"]);
    takes_its_token(&rack, host);
    rack.run_due().await;
    assert_eq!(phases(&rack, id), ["powering_off", "booting", "imaging"]);
    let calls = rack.bmc("lab-1").calls();
    let touched = calls.iter().any(|call| matches!(call, Call::Power(_) | Call::NextBoot(_)));
    assert!(!touched && rack.bmc("lab-1").boots().is_empty(), "{calls:?}");
    assert_eq!(rack.get::<Host>(host).status.waiting_since, None);
}

#[tokio::test(start_paused = true)]
async fn where_it_does_not_come_the_host_is_booted_as_any_other() {
    let (rack, host) = waiting(testing::inventory(1)).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.run_due().await;
    let first = rack.store().tokens.clone();
    rack.go_on(Duration::from_secs(61)).await;
    assert!(
        phases(&rack, id).starts_with(&["powering_off", "booting", "powering_off"]),
        "{:?}",
        phases(&rack, id)
    );
    assert_eq!(rack.settle(id).await, "ready");
    let tries = phases(&rack, id).iter().filter(|phase| **phase == "powering_off").count();
    assert_eq!(tries, 2, "it is tried once");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::NetworkOnce]);
    let void = first.iter().all(|grant| rack.redeem(&grant.digest, Purpose::Agent).is_none());
    assert!(void && rack.seen(host, Source::Waiting).is_some(), "the token that nobody came for is void");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_the_enrolled_box_or_was_seen_long_ago_is_not_waited_for() {
    let (rack, _) = waiting(testing::inventory(2)).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(phases(&rack, id)[..2], ["powering_off", "powering_on"]);

    let (rack, host) = waiting(testing::inventory(1)).await;
    rack.store().now += Duration::try_from(FRESH).expect("a time to come");
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(phases(&rack, id)[..2], ["powering_off", "powering_on"]);
    assert_eq!(rack.get::<Host>(host).status.waiting_since, None);
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_token_comes_by_its_bmc_gives_it_to_nobody_on_the_segment() {
    let (rack, host) = waiting(testing::inventory(1)).await;
    rack.change::<Host>(host, |host| host.spec.boot.methods = vec![BootMethod::VirtualMedia]);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.go_on(Duration::from_secs(10)).await;
    assert_eq!(phases(&rack, id)[..2], ["powering_off", "powering_on"]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_an_older_server_began_is_carried_on() {
    let (rack, _) = waiting(testing::inventory(1)).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.run_due().await;
    let state = serde_json::to_value(rack.machine(id).state).expect("a state");
    assert_eq!(state["run"]["takeover"], "begun");
    let mut old = state;
    old["run"].as_object_mut().expect("an object").remove("takeover");
    let read: State = serde_json::from_value(old).expect("an older one reads");
    assert_eq!(read.run().map(|run| run.takeover), Some(Takeover::Open));
}
