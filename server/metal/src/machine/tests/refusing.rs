//! What is refused before anything is touched, and what a new generation makes of it.

use underlay_core::{
    ObjectId, State as _,
    bmc::Power,
    host::{self, Host},
    image::{self, Image},
    machine::{Machine, RootHint, Spec},
    observation::{Body, Source},
};

use super::deploying::{deploys, ready};
use crate::{
    bmc::fake::Call,
    testing::{self, Habit, Rack, image_ref, machine},
};

/// The machine failed at `attribute`, saying `why`, and nobody touched the host. A second look changes nothing.
async fn refused(rack: &Rack, id: ObjectId, attribute: &str, why: &str) {
    assert_eq!(rack.settle(id).await, "failed");
    let failed = rack.machine(id);
    let failure = failed.progress.failure.clone().expect("a failure");
    assert_eq!(failure.attribute.as_deref(), Some(attribute), "{failure}");
    assert!(failure.to_string().contains(why), "{failure}");
    assert_eq!(failed.meta.observed_generation, failed.meta.generation);
    rack.step(id).await;
    assert_eq!(rack.machine(id), failed, "it is stable");
    let calls = rack.bmc("lab-1").calls();
    assert!(calls.iter().all(|call| *call == Call::Observe), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nobody_enrolled_is_refused_by_name() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-9"));
    refused(&rack, id, "host", "there is no host \"lab-9\"").await;
}

#[tokio::test(start_paused = true)]
async fn of_two_machines_on_one_host_one_is_told_who_has_it() {
    let rack = Rack::with_hosts(1).await;
    let (one, two) =
        (rack.put::<Machine>("web-1", machine("lab-1")), rack.put::<Machine>("web-2", machine("lab-1")));
    let (a, b) = (rack.settle(one).await, rack.settle(two).await);
    let loser = if a == "ready" { two } else { one };
    assert_eq!([a, b].iter().filter(|phase| **phase == "ready").count(), 1);
    let failure = rack.machine(loser).progress.failure.expect("a failure");
    assert!(failure.why.starts_with("machine web-"), "{failure}");
    assert_eq!(rack.boxes.with("lab-1", |one| one.writes.len()), 1);
    rack.delete(loser);
    assert_eq!(rack.settle(loser).await, "gone");
    assert_eq!(rack.bmc("lab-1").seen().power, Power::On, "the winner runs on");
    assert_eq!(rack.store().claims.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_set_aside_or_protected_is_refused() {
    let rack = Rack::with_hosts(1).await;
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    rack.put::<Host>("lab-1", host::Spec { protected: true, ..testing::host(1) });
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    refused(&rack, id, "host", "the host is protected").await;

    let (key, address) = ("SHA256:other".into(), "10.0.0.66".into());
    rack.observe(host, Source::Intruder, Body::Intruder { epoch: 1, key, address });
    rack.store().now += std::time::Duration::from_secs(1);
    let (key, address) = ("SHA256:third".into(), "10.0.0.66".into());
    rack.observe(host, Source::Intruder, Body::Intruder { epoch: 1, key, address });
    rack.apply_again(id);
    refused(&rack, id, "host", "quarantined").await;
}

#[tokio::test(start_paused = true)]
async fn a_host_still_being_enrolled_is_waited_for() {
    let rack = Rack::with_hosts(1).await;
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    rack.bmc("lab-1").break_down(None, crate::bmc::fake::Fault::Silent, crate::bmc::fake::Times::Forever);
    rack.change::<Host>(host, |host| host.state = host::State::Enrolling);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.step(id).await;
    let machine = rack.machine(id);
    assert_eq!(machine.state.phase(), "pending");
    assert!(machine.progress.waiting_for.expect("a reason").contains("lab-1 to be enrolled"));
    rack.bmc("lab-1").mend();
    rack.apply_again(host);
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_what_was_meant_is_refused() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", Spec { image: image_ref("gone", 'a'), ..machine("lab-1") });
    refused(&rack, id, "image", "there is no image \"gone\"").await;
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'c'), ..machine("lab-1") });
    refused(&rack, id, "image", "image debian is debian@sha256:aaa").await;

    let image = rack.find(underlay_core::Kind::Image, "debian").expect("an image");
    rack.change::<Image>(image, |image| image.state = image::State::Failed);
    rack.put::<Machine>("web-1", machine("lab-1"));
    refused(&rack, id, "image", "could not be imported").await;

    rack.put_image('a');
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready", "a new generation tries again");
}

#[tokio::test(start_paused = true)]
async fn an_image_on_its_way_is_waited_for() {
    let rack = Rack::with_hosts(1).await;
    let image = rack.find(underlay_core::Kind::Image, "debian").expect("an image");
    rack.change::<Image>(image, |image| image.state = image::State::Importing);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.go_on(std::time::Duration::from_secs(3600)).await;
    assert_eq!(rack.machine(id).state.phase(), "pending");
    rack.put_image('a');
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_disk_known_to_be_too_small_is_refused_before_the_host_is_touched() {
    let (rack, id) = ready(1).await;
    rack.put_image('b');
    let image = rack.find(underlay_core::Kind::Image, "debian").expect("an image");
    rack.change::<Image>(image, |image| image.status.virtual_size = Some(underlay_core::Bytes(8 << 30)));
    let (boots, wanted) = (rack.bmc("lab-1").boots(), image_ref("debian", 'b'));
    rack.put::<Machine>("web-1", Spec { image: wanted, ..machine("lab-1") });
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert_eq!(failure.attribute.as_deref(), Some("root"));
    assert!(failure.why.contains("too small: the image needs 8GiB"), "{failure}");
    assert_eq!((rack.bmc("lab-1").boots(), rack.bmc("lab-1").seen().power), (boots, Power::On));
    assert!(rack.machine(id).state.deployed().is_some(), "what ran runs on");
}

/// What the agent finds is refused: it never gets work and no byte is written.
async fn refused_by_the_agents_findings(rack: &Rack, id: ObjectId, why: &str) {
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.to_string().contains(why), "{failure}");
    assert_eq!(deploys(rack), 0);
    for host in ["lab-1", "lab-2"] {
        assert_eq!(rack.boxes.with(host, |one| one.writes.len()), 0);
    }
    let store = rack.store();
    assert!(store.tokens.is_empty() && store.plans.is_empty() && store.assignments.is_empty());
    assert_eq!(store.claims.values().collect::<Vec<_>>(), [&id], "the host is kept to be looked at");
}

#[tokio::test(start_paused = true)]
async fn two_disks_that_could_be_meant_are_never_written() {
    let rack = Rack::with_hosts(2).await;
    rack.boxes.with("lab-1", |one| one.inventory.disks.push(testing::disk("vdb", 4)));
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    refused_by_the_agents_findings(&rack, id, "matches more than one disk").await;
    let root = RootHint { kind: Some("nvme".into()), ..RootHint::default() };
    rack.put::<Machine>("web-1", Spec { root, ..machine("lab-1") });
    refused_by_the_agents_findings(&rack, id, "no disk matches").await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_too_small_is_never_written() {
    let rack = Rack::with_hosts(2).await;
    rack.boxes.with("lab-1", |one| one.inventory.disks = vec![testing::disk("vda", 1)]);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    refused_by_the_agents_findings(&rack, id, "too small").await;
}

#[tokio::test(start_paused = true)]
async fn an_image_for_another_architecture_is_never_written() {
    let rack = Rack::with_hosts(2).await;
    rack.boxes.with("lab-1", |one| one.inventory.arch = "aarch64".into());
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    refused_by_the_agents_findings(&rack, id, "host lab-1 is aarch64").await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_on_another_box_than_the_enrolled_one_writes_no_byte() {
    let rack = Rack::with_hosts(2).await;
    rack.boxes.with("lab-1", |one| one.inventory.serial = Some("SN-2".into()));
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    refused_by_the_agents_findings(&rack, id, "the serial number is SN-2, the enrolment says SN-1").await;
}

#[tokio::test(start_paused = true)]
async fn two_bmc_addresses_swapped_write_no_byte_and_switch_no_stranger() {
    let rack = Rack::with_hosts(2).await;
    rack.bmc("lab-1").change(|seen| seen.serial = Some("SN-2".into()));
    rack.bmc("lab-2").change(|seen| {
        seen.serial = Some("SN-1".into());
        seen.power = Power::On;
    });
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    refused_by_the_agents_findings(&rack, id, "the serial number is SN-2 by its BMC").await;
    let calls = rack.bmc("lab-1").calls();
    assert!(calls.iter().all(|call| *call == Call::Observe), "{calls:?}");
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    rack.apply_again(host);
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(host), "enrolling", "nobody can have it until that is mended");
    assert!(rack.get::<Host>(host).progress.failure.is_some());
    rack.bmc("lab-1").change(|seen| seen.serial = Some("SN-1".into()));
    rack.go_on(std::time::Duration::from_secs(120)).await;
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_token_brought_twice_hands_out_nothing_and_sets_the_host_aside() {
    let rack = Rack::with_hosts(2).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    while rack.machine(id).state.phase() != "booting" {
        rack.step(id).await;
    }
    let run = rack.machine(id).state.run().expect("a run").clone();
    rack.store().now += std::time::Duration::from_secs(5);
    let (key, address) = ("SHA256:other".into(), "10.0.0.66".into());
    rack.observe(run.host, Source::Intruder, Body::Intruder { epoch: run.epoch, key, address });
    let inventory = Box::new(testing::inventory(1));
    rack.observe(run.host, Source::Inventory, Body::Inventory { epoch: run.epoch, inventory });
    rack.step(id).await;
    assert_eq!(rack.machine(id).state.phase(), "failed");
    refused_by_the_agents_findings(&rack, id, "brought twice").await;
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(run.host), "quarantined");

    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "failed");
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    rack.apply_again(run.host);
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(run.host), "available", "a new generation clears it");
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_token_brought_twice_after_the_seed_is_out_never_gets_ready() {
    let rack = Rack::with_hosts(1).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    while rack.machine(id).state.phase() != "starting" {
        rack.boxes.act(&rack);
        rack.step(id).await;
    }
    let run = rack.machine(id).state.run().expect("a run").clone();
    let (key, address) = ("SHA256:other".into(), "10.0.0.66".into());
    rack.observe(run.host, Source::Intruder, Body::Intruder { epoch: run.epoch, key, address });
    let (ssh_host_keys, address) = (Vec::new(), "10.0.0.66".into());
    rack.observe(run.host, Source::PhoneHome, Body::PhoneHome { epoch: run.epoch, ssh_host_keys, address });
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("it says why");
    assert!(failure.why.contains("brought twice"), "{failure:?}");
    assert!(rack.machine(id).state.deployed().is_none(), "what is on the disk is not trusted");
}

#[tokio::test(start_paused = true)]
async fn an_image_replaced_after_the_claim_is_not_written_in_its_place() {
    let rack = Rack::with_hosts(2).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.step(id).await;
    rack.put_image('b');
    refused_by_the_agents_findings(&rack, id, "image debian is debian@sha256:bbb").await;
    rack.put_image('a');
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_machine_does_not_move_in_place_even_where_the_api_let_it_pass() {
    let (rack, id) = ready(2).await;
    rack.put::<Machine>("web-1", machine("lab-2"));
    assert_eq!(rack.settle(id).await, "ready", "it stays where it is");
    assert_eq!(deploys(&rack), 1);

    let rack = Rack::with_hosts(2).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    rack.boxes.with("lab-1", |one| one.habit = Habit::FailsBefore);
    assert_eq!(rack.settle(id).await, "failed");
    rack.put::<Machine>("web-1", machine("lab-2"));
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("does not move to another host"), "{failure}");
    assert_eq!(rack.store().claims.len(), 1, "no second host is claimed");
}
