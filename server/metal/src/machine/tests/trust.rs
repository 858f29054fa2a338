//! What a pool trusts: hosts of one that trusts virtual media alone are booted in no other way, whatever else they list and
//! whoever waits on the segment.

use underlay_core::{
    Effect, ObjectId, State as _,
    bmc::Target,
    host::{self, BootMethod, Host},
    machine::Machine,
    observation::{Body, Source},
    pool::{Pool, Spec, Trust},
};

use crate::{
    bmc::fake::{Call, Fault, Medium, Times},
    testing::{self, Habit, Rack, machine, pooled},
};

/// A pool that trusts that, with one host that boots in these ways.
async fn lab(trust: Trust, methods: &[BootMethod]) -> Rack {
    let rack = Rack::with_hosts(1).await;
    rack.put::<Pool>("lab", Spec { trust, ..Spec::default() });
    let boot = host::Boot { methods: methods.to_vec(), ..host::Boot::default() };
    rack.put::<Host>("lab-1", host::Spec { boot, ..testing::host(1) });
    rack.run_due().await;
    rack
}

/// Tokens that were made, and those of them that went into a plan for the segment.
fn tokens(rack: &Rack) -> (usize, usize) {
    let store = rack.store();
    let count = |is: fn(&Effect) -> bool| store.effects.iter().filter(|effect| is(effect)).count();
    (
        count(|effect| matches!(effect, Effect::GrantToken(_))),
        count(|effect| matches!(effect, Effect::PutBootPlan { .. })),
    )
}

fn deployed(rack: &Rack) -> bool {
    rack.store().effects.iter().any(|effect| {
        matches!(effect, Effect::Assign(it) if matches!(it.task, underlay_core::agent::Task::Deploy(_)))
    })
}

#[tokio::test(start_paused = true)]
async fn where_virtual_media_alone_are_trusted_no_other_way_is_gone() {
    let all = [BootMethod::Pxe, BootMethod::VirtualMedia, BootMethod::Http];
    let rack = lab(Trust::VirtualMedia, &all).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::MediaOnce, Target::Disk]);
    assert_eq!(tokens(&rack).1, 0, "nothing for the segment");

    let rack = lab(Trust::VirtualMedia, &all).await;
    let insert = Some(Call::Media(Medium::In));
    rack.bmc("lab-1").break_down(insert, Fault::Unable, Times::Forever);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "failed", "it does not fall back to what is not trusted");
    assert!(rack.bmc("lab-1").boots().is_empty() && !deployed(&rack));
    assert_eq!(tokens(&rack).1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_without_a_way_that_is_trusted_is_refused_and_given_to_nobody() {
    let rack = lab(Trust::VirtualMedia, &[BootMethod::Pxe, BootMethod::Http]).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("it says why");
    assert_eq!(failure.attribute.as_deref(), Some("host"));
    assert!(failure.why.contains("pool lab trusts virtual_media"), "{failure}");
    assert!(failure.next.contains("boot.methods of underlay_host.lab-1"), "{failure}");
    assert_eq!(tokens(&rack), (0, 0));
    rack.delete(id);
    rack.settle(id).await;

    let waits = rack.put::<Machine>("web-2", pooled());
    rack.go_on(std::time::Duration::from_secs(60)).await;
    let why = rack.machine(waits).progress.waiting_for.expect("it waits");
    assert!(why.contains("1 would fit and are without a way to boot that the pool trusts"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_waits_on_the_segment_is_not_taken_over() {
    let rack = lab(Trust::VirtualMedia, &[BootMethod::Pxe, BootMethod::VirtualMedia]).await;
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    let (since, boot_mac, inventory) = (rack.now(), testing::mac(1), Box::new(testing::inventory(1)));
    rack.observe(host, Source::Waiting, Body::Waiting { since, boot_mac, inventory });
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots(), [Target::MediaOnce, Target::Disk]);
}

/// As far as the agent's call home, by PXE.
async fn booting() -> (Rack, ObjectId) {
    let rack = lab(Trust::Segment, &[BootMethod::Pxe, BootMethod::VirtualMedia]).await;
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    while rack.machine(id).state.phase() != "booting" {
        rack.step(id).await;
    }
    (rack, id)
}

#[tokio::test(start_paused = true)]
async fn a_boot_of_less_trust_than_is_asked_for_by_now_is_given_nothing() {
    let (rack, id) = booting().await;
    let run = rack.machine(id).state.run().expect("a run").clone();
    rack.put::<Pool>("lab", Spec { trust: Trust::VirtualMedia, ..Spec::default() });
    let inventory = Box::new(testing::inventory(1));
    rack.observe(run.host, Source::Inventory, Body::Inventory { epoch: run.epoch, inventory });
    rack.step(id).await;
    assert_eq!(rack.machine(id).state.phase(), "pending");
    assert!(!deployed(&rack) && rack.store().serves_nothing());
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.bmc("lab-1").boots().last_chunk(), Some(&[Target::MediaOnce, Target::Disk]));
    assert!(rack.machine(id).status.epoch > run.epoch);
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_no_tpm_vouches_for_fails_at_once_and_the_next_one_is_asked_anew() {
    let rack = lab(Trust::Tpm, &[BootMethod::Pxe, BootMethod::Http]).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    let id = rack.put::<Machine>("web-1", machine("lab-1"));
    while rack.machine(id).state.phase() != "booting" {
        rack.step(id).await;
    }
    assert_eq!(rack.bmc("lab-1").boots(), [Target::HttpOnce], "the one program whose measurement is known");
    let run = rack.machine(id).state.run().expect("a run").clone();
    let why = "it started a program that is none of ours".to_owned();
    rack.observe(run.host, Source::Quote, Body::Unproven { epoch: run.epoch, why });
    rack.step(id).await;
    let failed = rack.machine(id);
    assert_eq!(failed.state.phase(), "failed");
    let failure = failed.progress.failure.expect("it says why");
    assert!(failure.what.contains("asking the TPM of host lab-1") && failure.why.contains("none of ours"));
    assert!(!deployed(&rack) && rack.store().serves_nothing());

    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready", "what was seen of another boot is no news of this one");
}
