//! Hosts between two machines: wiped before the next one has them, set aside where that does not go well, looked at when
//! somebody wants it.

use std::time::Duration;

use underlay_core::{
    Kind, ObjectId, State as _,
    bmc::Power,
    cleaning::{Ending, Policy, Reason},
    host::{Driver, Health, Host, Manual, Wish},
    machine::Machine,
    observation::{Body, Source},
    pool::{Pool, Spec},
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    testing::{self, Commits, Habit, Rack, machine, pooled},
};

/// A pool that cleans, `hosts` in it, and a machine on the first.
async fn lab(hosts: u8) -> (Rack, ObjectId, ObjectId) {
    let rack = Rack::with_hosts(hosts).await;
    rack.put::<Pool>("lab", Spec { clean: Policy::Best, ..Spec::default() });
    rack.run_due().await;
    let web = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(web).await, "ready");
    let host = rack.find(Kind::Host, "lab-1").expect("a host");
    (rack, host, web)
}

fn phase(rack: &Rack, host: ObjectId) -> &'static str {
    rack.get::<Host>(host).state.phase()
}

fn wiped(rack: &Rack, name: &str) -> usize {
    rack.boxes.with(name, |one| one.wiped.len())
}

fn wish(rack: &Rack, host: ObjectId, wish: Wish) {
    rack.store().now += Duration::from_secs(1);
    let at = rack.now();
    rack.observe(host, Source::Operator, Body::Wished { wish, by: "ops".into(), at });
}

async fn settled(rack: &Rack, host: ObjectId) -> &'static str {
    rack.go_on(Duration::from_secs(7200)).await;
    phase(rack, host)
}

#[tokio::test(start_paused = true)]
async fn a_host_is_wiped_before_the_next_machine_has_it_and_destroy_does_not_wait() {
    for commits in [Commits::Always, Commits::SecondTime] {
        let (mut rack, host, web) = lab(1).await;
        rack.commits = commits;
        rack.boxes.with("lab-1", |one| one.habit = Habit::Silent);
        rack.delete(web);
        assert_eq!(rack.settle(web).await, "gone");
        assert_eq!((phase(&rack, host), wiped(&rack, "lab-1")), ("cleaning", 0));
        assert_eq!(rack.store().claims.get(&host), Some(&host), "it has itself");
        let next = rack.put::<Machine>("web-2", machine("lab-1"));
        rack.run_due().await;
        let waits = rack.machine(next).progress.waiting_for.expect("it waits");
        assert!(waits.starts_with("host lab-1, which is cleaning: "), "{waits}");
        rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
        assert_eq!(rack.settle(next).await, "ready");
        assert_eq!(wiped(&rack, "lab-1"), 1);
        let order: Vec<_> = rack.store().entered.iter().map(|(_, phase)| *phase).collect();
        let cleaned = order.iter().position(|phase| *phase == "cleaning").expect("cleaned");
        let imaged = order.iter().rposition(|phase| *phase == "imaging").expect("imaged");
        assert!(cleaned < imaged, "{order:?}");
        let status = rack.get::<Host>(host).status;
        let [record] = &status.cleanings[..] else { panic!("{:?}", status.cleanings) };
        assert_eq!((record.reason, record.policy), (Reason::Released, Policy::Best));
        assert_eq!(record.disks[0].ending, Ending::Wiped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_clean_is_off_served_nothing_and_free() {
    let (rack, host, web) = lab(1).await;
    rack.delete(web);
    rack.settle(web).await;
    assert_eq!(settled(&rack, host).await, "available");
    assert!(rack.store().claims.is_empty() && rack.store().serves_nothing());
    assert_eq!(rack.bmc("lab-1").seen().power, Power::Off);
    let condition = rack.get::<Host>(host).status.conditions.into_iter().find(|it| it.name == "Clean");
    assert_eq!(
        condition.map(|it| (it.health, it.reason)),
        Some((Health::Good, "wiped: vda by overwrite".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_wipe_that_fails_sets_the_host_aside_and_the_next_claim_takes_another() {
    for habit in [Habit::FailsAfter, Habit::Silent, Habit::Stalls, Habit::NoAgent, Habit::WrongSerial] {
        let (rack, host, web) = lab(2).await;
        rack.boxes.with("lab-1", |one| one.habit = habit);
        rack.delete(web);
        assert_eq!(rack.settle(web).await, "gone", "{habit:?}: destroy does not wait for it");
        let next = rack.put::<Machine>("web-2", pooled());
        assert_eq!(rack.settle(next).await, "ready", "{habit:?}");
        assert_eq!(rack.machine(next).status.host_name.as_deref(), Some("lab-2"), "{habit:?}");
        assert_eq!(settled(&rack, host).await, "quarantined", "{habit:?}");
        assert_eq!(rack.store().claims.get(&host), Some(&host), "{habit:?}: it is not clean");
        let failure = rack.get::<Host>(host).progress.failure.expect("a failure");
        assert!(failure.next.contains("underlay host repair lab-1"), "{failure}");
        if habit == Habit::FailsAfter {
            assert!(failure.why.contains("vda: writing at byte 0: Input/output error"), "{failure}");
            assert_eq!(rack.get::<Host>(host).status.cleanings.len(), 1, "what was seen is kept");
        }
        // Mended, it is wiped before anybody has it.
        rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
        wish(&rack, host, Wish::Repair);
        assert_eq!(settled(&rack, host).await, "available", "{habit:?}");
        assert_eq!((wiped(&rack, "lab-1") > 0, rack.store().claims.contains_key(&host)), (true, false));
        let last = rack.get::<Host>(host).status.cleanings.pop().expect("a record");
        assert_eq!((last.reason, last.disks[0].ending.clone()), (Reason::Repair, Ending::Wiped));
    }
}

#[tokio::test(start_paused = true)]
async fn clearing_a_host_that_is_not_clean_does_not_give_it_away_as_it_is() {
    let (rack, host, web) = lab(1).await;
    rack.boxes.with("lab-1", |one| one.habit = Habit::FailsAfter);
    rack.delete(web);
    rack.settle(web).await;
    assert_eq!(settled(&rack, host).await, "quarantined");
    let before = wiped(&rack, "lab-1");
    rack.boxes.with("lab-1", |one| one.habit = Habit::Good);
    rack.apply_again(host);
    assert_eq!(settled(&rack, host).await, "available");
    assert_eq!(wiped(&rack, "lab-1"), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_was_there_and_is_not_found_is_not_clean() {
    let (rack, host, web) = lab(1).await;
    let with = |serials: &[&str]| {
        let disk = |serial: &&str| underlay_core::agent::Disk {
            serial: Some((*serial).into()),
            ..testing::disk(serial, 4)
        };
        serials.iter().map(disk).collect::<Vec<_>>()
    };
    rack.change::<Host>(host, |host| {
        host.status.inventory.as_mut().expect("an inventory").disks = with(&["S1", "S2"]);
    });
    let mut inventory = testing::inventory(1);
    inventory.disks = with(&["S1", "S2"]);
    let epoch = rack.machine(web).status.epoch;
    rack.observe(host, Source::Inventory, Body::Inventory { epoch, inventory: Box::new(inventory) });
    rack.boxes.with("lab-1", |one| one.inventory.disks = with(&["S1"]));
    rack.delete(web);
    rack.settle(web).await;
    assert_eq!(settled(&rack, host).await, "quarantined");
    let failure = rack.get::<Host>(host).progress.failure.expect("a failure");
    assert_eq!(failure.why, "the disk with serial S2 was there before and is not found");
    // Somebody took it out, and says so.
    wish(&rack, host, Wish::Repair);
    assert_eq!(settled(&rack, host).await, "available");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_does_not_clean_gives_its_hosts_on_as_they_are() {
    let (rack, host, web) = lab(1).await;
    rack.put::<Pool>("lab", Spec::default());
    rack.delete(web);
    assert_eq!(rack.settle(web).await, "gone");
    assert!(rack.store().claims.is_empty());
    assert_eq!((settled(&rack, host).await, wiped(&rack, "lab-1")), ("available", 0));
    // It had begun to, and its pool thinks otherwise since.
    let (rack, host, web) = lab(1).await;
    rack.delete(web);
    rack.settle(web).await;
    rack.put::<Pool>("lab", Spec::default());
    assert_eq!(settled(&rack, host).await, "available");
    assert!(rack.store().claims.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_protected_host_is_not_wiped_and_not_given_away() {
    let (rack, host, web) = lab(1).await;
    rack.put::<Host>("lab-1", underlay_core::host::Spec { protected: true, ..testing::host(1) });
    rack.delete(web);
    rack.settle(web).await;
    assert_eq!(settled(&rack, host).await, "quarantined");
    assert_eq!(wiped(&rack, "lab-1"), 0);
    assert_eq!(rack.get::<Host>(host).progress.failure.expect("one").attribute.as_deref(), Some("protected"));
}

#[tokio::test(start_paused = true)]
async fn an_operator_takes_a_host_out_of_use_and_back() {
    let rack = Rack::with_hosts(1).await;
    let host = rack.find(Kind::Host, "lab-1").expect("a host");
    wish(&rack, host, Wish::Quarantine { reason: "fan rattles".into() });
    assert_eq!(settled(&rack, host).await, "quarantined");
    let failure = rack.get::<Host>(host).progress.failure.expect("a failure");
    assert_eq!(failure.why, "ops took it out of use: fan rattles");
    let web = rack.put::<Machine>("web-1", machine("lab-1"));
    assert_eq!(rack.settle(web).await, "failed");
    rack.apply_again(host);
    assert_eq!(settled(&rack, host).await, "available", "the same wish is not taken twice");
    assert!(rack.bmc("lab-1").calls().iter().all(|call| *call == Call::Observe), "nothing is switched");
}

#[tokio::test(start_paused = true)]
async fn a_host_is_looked_at_anew_without_a_byte_written() {
    let rack = Rack::with_hosts(1).await;
    let host = rack.find(Kind::Host, "lab-1").expect("a host");
    assert_eq!(rack.get::<Host>(host).status.inventory, None);
    wish(&rack, host, Wish::Reinspect);
    rack.run_due().await;
    assert_eq!(phase(&rack, host), "inspecting");
    let web = rack.put::<Machine>("web-1", pooled());
    rack.put::<Pool>("lab", Spec { clean: Policy::Best, ..Spec::default() });
    assert_eq!(rack.settle(web).await, "ready", "it waits for the host, and has it then");
    assert_eq!(
        (rack.get::<Host>(host).status.inventory, wiped(&rack, "lab-1")),
        (Some(testing::inventory(1)), 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_fails_for_a_while_holds_it_up_and_one_that_is_dead_sets_it_aside() {
    for (call, fault) in [
        (Call::Observe, Fault::Silent),
        (Call::Power(Power::On), Fault::Lie),
        (Call::Power(Power::On), Fault::Busy),
        (Call::Power(Power::Off), Fault::Lie),
    ] {
        for times in [Times::Once, Times::Forever] {
            let rack = Rack::with_hosts(1).await;
            let host = rack.find(Kind::Host, "lab-1").expect("a host");
            rack.bmc("lab-1").break_down(Some(call), fault, times);
            wish(&rack, host, Wish::Reinspect);
            let expected = if matches!(times, Times::Once) { "available" } else { "quarantined" };
            assert_eq!(settled(&rack, host).await, expected, "{call:?} {fault:?} {times:?}");
            assert_eq!(rack.store().claims.contains_key(&host), expected == "quarantined");
            assert!(rack.store().serves_nothing());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_is_asked_to_switch_a_host_that_is_cleaned_by_hand() {
    let rack = Rack::with_hosts(1).await;
    let host = rack.find(Kind::Host, "lab-1").expect("a host");
    let driver = Driver::Manual(Manual { webhook: None, credential: None });
    rack.put::<Host>("lab-1", underlay_core::host::Spec { driver, ..testing::host(1) });
    rack.bmc("lab-1").break_down(Some(Call::Power(Power::On)), Fault::Lie, Times::Forever);
    rack.run_due().await;
    wish(&rack, host, Wish::Reinspect);
    rack.go_on(Duration::from_secs(3600)).await;
    let waits = rack.get::<Host>(host).progress.waiting_for.expect("it waits");
    assert!(waits.contains("underlay host confirm lab-1 --power on"), "{waits}");
    rack.bmc("lab-1").mend();
    assert_eq!(settled(&rack, host).await, "available");
}
