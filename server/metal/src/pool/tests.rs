//! Pools: who wants a host gets one, a broken one is exchanged, nobody is disturbed out of turn.

use std::{collections::BTreeSet, time::Duration};

use underlay_core::{
    Effect, ErrorKind, Failure, ObjectId, State as _,
    bmc::Power,
    host::{self, Host},
    machine::{Machine, Require, Spread, SpreadMode, State},
    pool::{Limit, Pool, Spec},
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    testing::{self, Habit, Rack, pooled},
};

async fn lab(hosts: u8, spec: Spec) -> (Rack, ObjectId) {
    let rack = Rack::with_hosts(hosts).await;
    let pool = rack.put::<Pool>("lab", spec);
    rack.run_due().await;
    (rack, pool)
}

fn host_of(rack: &Rack, machine: ObjectId) -> String {
    rack.machine(machine).status.host_name.expect("a host")
}

#[tokio::test(start_paused = true)]
async fn all_who_want_a_host_get_one_each_in_one_step() {
    let (rack, pool) = lab(5, Spec::default()).await;
    let machines: Vec<_> = (0..5).map(|n| rack.put::<Machine>(&format!("web-{n}"), pooled())).collect();
    for machine in &machines {
        rack.step(*machine).await;
    }
    let before = rack.store().effects.len();
    rack.step(pool).await;
    let granted =
        rack.store().effects[before..].iter().filter(|effect| matches!(effect, Effect::Grant { .. })).count();
    assert_eq!(granted, 5, "in one step, so in one transaction");
    let mut hosts = BTreeSet::new();
    for machine in &machines {
        assert_eq!(rack.settle(*machine).await, "ready");
        assert!(hosts.insert(host_of(&rack, *machine)), "no host twice");
    }
    rack.go_on(Duration::from_secs(5)).await;
    let status = rack.get::<Pool>(pool).status;
    assert_eq!((status.hosts, status.free, status.claimed, status.waiting), (5, 0, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_those_that_are_answered_at_once_is_answered_next() {
    let (rack, pool) = lab(5, Spec::default()).await;
    rack.show_wants(2);
    let machines: Vec<_> = (0..5).map(|n| rack.put::<Machine>(&format!("web-{n}"), pooled())).collect();
    for machine in &machines {
        rack.step(*machine).await;
    }
    // Nothing else happens in the pool meanwhile.
    for claimed in [2, 4, 5] {
        assert!(rack.is_due(pool), "it looks again at once, before {claimed} are claimed");
        rack.step(pool).await;
        assert_eq!(rack.store().claims.len(), claimed);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_none_is_told_why_and_gets_the_next_that_comes_free() {
    let (rack, pool) = lab(1, Spec::default()).await;
    let first = rack.put::<Machine>("web-0", pooled());
    assert_eq!(rack.settle(first).await, "ready");
    let second = rack.put::<Machine>("web-1", pooled());
    rack.go_on(Duration::from_secs(3600)).await;
    let waits = rack.machine(second).progress.waiting_for.expect("it waits");
    assert_eq!(waits, "a host of pool lab: none of its 1 hosts can be had; 1 would fit and are claimed");
    assert_eq!(rack.get::<Pool>(pool).status.waiting, 1);
    rack.delete(first);
    assert_eq!(rack.settle(second).await, "ready");
    assert_eq!(host_of(&rack, second), "lab-1");
    assert!(rack.get::<Pool>(pool).status.unmet.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_not_there_is_refused_with_the_attribute() {
    let rack = Rack::with_hosts(1).await;
    let machine = rack.put::<Machine>("web-0", pooled());
    assert_eq!(rack.settle(machine).await, "failed");
    let failure = rack.machine(machine).progress.failure.expect("a failure");
    assert_eq!(failure.attribute.as_deref(), Some("require.pool"));
    rack.put::<Pool>("lab", Spec::default());
    rack.apply_again(machine);
    assert_eq!(rack.settle(machine).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_must_stand_apart_waits_rather_than_standing_together() {
    let rack = Rack::default();
    rack.put_image('a');
    for number in 1..=3_u8 {
        let rack_label = if number < 3 { "a" } else { "b" };
        let labels = [("rack".to_owned(), rack_label.to_owned())].into();
        rack.put::<Host>(&format!("lab-{number}"), host::Spec { labels, ..testing::host(number) });
        rack.boxes.insert(&format!("lab-{number}"), number);
    }
    rack.put::<Pool>("lab", Spec::default());
    rack.run_due().await;
    let spread = Some(Spread { label: "rack".into(), mode: SpreadMode::Require, group: None });
    let machines: Vec<_> = (0..3)
        .map(|n| {
            let spec = underlay_core::machine::Spec { spread: spread.clone(), ..pooled() };
            rack.put::<Machine>(&format!("web-{n}"), spec)
        })
        .collect();
    rack.go_on(Duration::from_secs(3600)).await;
    let phases: Vec<_> = machines.iter().map(|id| rack.phase::<Machine>(*id)).collect();
    assert_eq!(phases, ["ready", "ready", "pending"]);
    assert_eq!([host_of(&rack, machines[0]), host_of(&rack, machines[1])], ["lab-1", "lab-3"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_host_is_set_aside_and_another_taken_in_its_place() {
    for habit in [Habit::NoAgent, Habit::Silent, Habit::Stalls] {
        let (rack, pool) = lab(3, Spec::default()).await;
        rack.boxes.with("lab-1", |one| one.habit = habit);
        let machine = rack.put::<Machine>("web-0", pooled());
        assert_eq!(rack.settle(machine).await, "ready", "{habit:?}");
        assert_eq!(host_of(&rack, machine), "lab-2", "{habit:?}");
        assert_eq!(rack.machine(machine).status.given_up, ["lab-1"]);
        let broken = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
        assert_eq!(rack.phase::<Host>(broken), "quarantined", "{habit:?}");
        assert!(!rack.store().claims.contains_key(&broken));
        rack.go_on(Duration::from_secs(5)).await;
        assert_eq!(rack.get::<Pool>(pool).status.quarantined, 1);
        let off = rack.bmc("lab-1").seen().power;
        assert_eq!(off, underlay_core::bmc::Power::Off, "{habit:?}: it was seen off first");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_may_run_the_machine_is_not_replaced_before_it_is_seen_off() {
    let (rack, _) = lab(2, Spec::default()).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::Stalls);
    let machine = rack.put::<Machine>("web-0", pooled());
    while rack.phase::<Machine>(machine) != "imaging" {
        rack.go_on(Duration::from_secs(1)).await;
    }
    rack.bmc("lab-1").break_down(None, Fault::Silent, Times::Forever);
    rack.go_on(Duration::from_secs(24 * 3600)).await;
    let stuck = rack.machine(machine);
    assert_eq!(stuck.state.phase(), "replacing");
    let waits = stuck.progress.waiting_for.expect("it waits");
    assert!(waits.contains("host lab-1 to be seen off"), "{waits}");
    rack.bmc("lab-1").mend();
    assert_eq!(rack.settle(machine).await, "ready");
    assert_eq!(host_of(&rack, machine), "lab-2");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_cleared_while_it_is_being_replaced_keeps_nobody_waiting() {
    let (rack, _) = lab(2, Spec::default()).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::Stalls);
    let machine = rack.put::<Machine>("web-0", pooled());
    while rack.phase::<Machine>(machine) != "imaging" {
        rack.go_on(Duration::from_secs(1)).await;
    }
    rack.bmc("lab-1").break_down(None, Fault::Silent, Times::Forever);
    rack.go_on(Duration::from_secs(3600)).await;
    assert_eq!(rack.phase::<Machine>(machine), "replacing");
    // Somebody clears it before it could be seen off.
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    rack.apply_again(host);
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    rack.bmc("lab-1").mend();
    assert_eq!(rack.settle(machine).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_kept_for_a_look_is_seen_off_too_before_a_retry_takes_another() {
    let (rack, _) = lab(2, Spec { replacements: 0, ..Spec::default() }).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::Stalls);
    let machine = rack.put::<Machine>("web-0", pooled());
    assert_eq!(rack.settle(machine).await, "failed");
    let kept = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    assert_eq!(rack.bmc("lab-1").seen().power, Power::On, "it is left as it is");
    rack.bmc("lab-1").break_down(Some(Call::Power(Power::Off)), Fault::Lie, Times::Forever);
    rack.apply_again(machine);
    rack.go_on(Duration::from_secs(24 * 3600)).await;
    assert_eq!(rack.store().claims.get(&kept), Some(&machine));
    assert_eq!(rack.store().claims.len(), 1, "it has no other meanwhile");
    let waits = rack.machine(machine).progress.waiting_for.expect("it waits");
    assert!(waits.contains("lab-1, which cannot be used any more, to switch off"), "{waits}");
    rack.bmc("lab-1").mend();
    assert_eq!(rack.settle(machine).await, "ready");
    assert_eq!(host_of(&rack, machine), "lab-2");
    assert_eq!(rack.bmc("lab-1").seen().power, Power::Off);
}

#[tokio::test(start_paused = true)]
async fn replacements_end_with_what_the_pool_allows_and_a_retry_begins_anew() {
    let (rack, _) = lab(5, Spec { replacements: 1, ..Spec::default() }).await;
    for number in 1..=3 {
        rack.boxes.with(&format!("lab-{number}"), |one| one.habit = Habit::NoAgent);
    }
    let machine = rack.put::<Machine>("web-0", pooled());
    assert_eq!(rack.settle(machine).await, "failed");
    let failure = rack.machine(machine).progress.failure.expect("a failure");
    assert!(failure.why.contains("before it lab-1; pool lab allows 1 replacements"), "{failure}");
    rack.apply_again(machine);
    assert_eq!(rack.settle(machine).await, "failed", "three hosts on one boot network are no coincidence");
    let failure = rack.machine(machine).progress.failure.expect("a failure");
    assert!(failure.why.contains("3 hosts have failed"), "{failure}");
    let good = rack.put::<Machine>("web-1", pooled());
    assert_eq!(rack.settle(good).await, "ready", "the next host is good, so it was the hosts after all");
    rack.apply_again(machine);
    assert_eq!(rack.settle(machine).await, "ready");
    assert_eq!(host_of(&rack, machine), "lab-5");
    assert!(rack.machine(machine).status.given_up.is_empty(), "whoever asks again begins anew");
}

#[tokio::test(start_paused = true)]
async fn three_hosts_that_fail_with_one_image_speak_against_the_image() {
    let (rack, _) = lab(8, Spec { replacements: 100, ..Spec::default() }).await;
    for number in 1..=8 {
        rack.boxes.with(&format!("lab-{number}"), |one| one.habit = Habit::Stalls);
    }
    let machine = rack.put::<Machine>("web-0", pooled());
    assert_eq!(rack.settle(machine).await, "failed");
    let failure = rack.machine(machine).progress.failure.expect("a failure");
    assert!(failure.why.contains("3 hosts have failed with image sha256:aaaa"), "{failure}");
    let next = rack.put::<Machine>("web-1", pooled());
    assert_eq!(rack.settle(next).await, "failed", "the next one stops at its first host");
    let quarantined = (1..=8)
        .filter(|number| {
            let id = rack.find(underlay_core::Kind::Host, &format!("lab-{number}")).expect("a host");
            rack.phase::<Host>(id) == "quarantined"
        })
        .count();
    assert_eq!(quarantined, 4, "the pool is not drained");
}

#[tokio::test(start_paused = true)]
async fn what_was_once_ready_is_never_moved() {
    let (rack, _) = lab(3, Spec::default()).await;
    let machine = rack.put::<Machine>("web-0", pooled());
    assert_eq!(rack.settle(machine).await, "ready");
    rack.boxes.with("lab-1", |one| one.habit = Habit::NoAgent);
    rack.put_image('b');
    let image = testing::image_ref("debian", 'b');
    rack.put::<Machine>("web-0", underlay_core::machine::Spec { image, ..pooled() });
    assert_eq!(rack.settle(machine).await, "failed");
    assert!(matches!(rack.machine(machine).state, State::Failed { deployed: Some(_), .. }));
    assert_eq!(host_of(&rack, machine), "lab-1");
}

#[tokio::test(start_paused = true)]
async fn no_more_machines_are_disturbed_at_once_than_the_pool_allows() {
    let (rack, _) = lab(4, Spec { max_disrupted: Some(Limit::Count(1)), ..Spec::default() }).await;
    let machines: Vec<_> = (0..4).map(|n| rack.put::<Machine>(&format!("web-{n}"), pooled())).collect();
    for machine in &machines {
        assert_eq!(rack.settle(*machine).await, "ready", "what is new disturbs nobody");
    }
    rack.put_image('b');
    let image = testing::image_ref("debian", 'b');
    for n in 0..4 {
        rack.put::<Machine>(
            &format!("web-{n}"),
            underlay_core::machine::Spec { image: image.clone(), ..pooled() },
        );
    }
    let mut turns = 0;
    for _ in 0..24 * 3600 {
        let at_work = machines
            .iter()
            .filter(|id| !matches!(rack.machine(**id).state, State::Ready { .. } | State::Pending))
            .count();
        assert!(at_work <= 1, "{at_work} at once");
        turns += at_work;
        let done = |id: &ObjectId| {
            let machine = rack.machine(*id);
            matches!(&machine.state, State::Ready { deployed } if deployed.image == image)
        };
        if machines.iter().all(done) {
            break;
        }
        rack.go_on(Duration::from_secs(1)).await;
    }
    assert!(turns > 0, "they were redeployed one after the other");
    for machine in &machines {
        assert_eq!(rack.machine(*machine).status.deployments, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_fails_keeps_its_turn_so_that_a_bad_image_stops_with_it() {
    let (rack, _) = lab(3, Spec { max_disrupted: Some(Limit::Percent(10)), ..Spec::default() }).await;
    let machines: Vec<_> = (0..3).map(|n| rack.put::<Machine>(&format!("web-{n}"), pooled())).collect();
    for machine in &machines {
        rack.settle(*machine).await;
    }
    for number in 1..=3 {
        rack.boxes.with(&format!("lab-{number}"), |one| one.habit = Habit::NoSystem);
    }
    rack.put_image('b');
    let image = testing::image_ref("debian", 'b');
    for n in 0..3 {
        rack.put::<Machine>(
            &format!("web-{n}"),
            underlay_core::machine::Spec { image: image.clone(), ..pooled() },
        );
    }
    rack.go_on(Duration::from_secs(7 * 24 * 3600)).await;
    let mut phases: Vec<_> = machines.iter().map(|id| rack.phase::<Machine>(*id)).collect();
    phases.sort_unstable();
    assert_eq!(phases, ["failed", "pending", "pending"]);
    let waiting = machines.iter().find(|id| rack.phase::<Machine>(**id) == "pending").expect("one waits");
    let waits = rack.machine(*waiting).progress.waiting_for.expect("it waits");
    assert!(waits.contains("max_disrupted = \"10%\""), "{waits}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_set_aside_between_grant_and_deployment_is_let_go_again() {
    let (rack, pool) = lab(2, Spec::default()).await;
    let machine = rack.put::<Machine>("web-0", pooled());
    rack.step(machine).await;
    rack.step(pool).await;
    let held = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    assert_eq!(rack.store().claims.get(&held), Some(&machine));
    let failure = Failure::new(ErrorKind::Permanent, "host lab-1", "broken", "set aside", "repair it");
    rack.change::<Host>(held, |host| host.state = host::State::quarantined(failure, &host.spec));
    assert_eq!(rack.settle(machine).await, "ready");
    assert_eq!(host_of(&rack, machine), "lab-2");
}

#[tokio::test(start_paused = true)]
async fn only_hosts_that_meet_every_need_are_given() {
    let (rack, _) = lab(2, Spec::default()).await;
    let require = Require { pool: "lab".into(), cpus: Some(64), ..Require::default() };
    let spec = underlay_core::machine::Spec { require: Some(require), ..pooled() };
    let machine = rack.put::<Machine>("web-0", spec);
    rack.go_on(Duration::from_secs(60)).await;
    let waits = rack.machine(machine).progress.waiting_for.expect("it waits");
    assert!(waits.contains("lab-1: cpus is not known yet"), "{waits}");
    let id = rack.find(underlay_core::Kind::Host, "lab-2").expect("a host");
    rack.change::<Host>(id, |host| host.status.told.cpus = Some(64));
    assert_eq!(rack.settle(machine).await, "ready");
    assert_eq!(host_of(&rack, machine), "lab-2");
}
