//! Random lives of two machines and two hosts in one pool: whatever is put, deleted, broken, pressed and said in whatever order, some
//! things never happen, and when the world stops failing everything comes to rest.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use underlay_core::{
    Kind, ObjectId, State as _,
    agent::Task,
    bmc::{Power, Target},
    brake::Reach,
    cancellation::Until,
    host::Host,
    identity,
    machine::{Machine, Redeploy, Spec, State},
    observation::{Body, Source},
    pool::{self, Pool},
    view::View as _,
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    testing::{self, Commits, Habit, Rack, image_ref, machine, pooled},
};

const HOSTS: [&str; 2] = ["lab-1", "lab-2"];
const MACHINES: [&str; 2] = ["web-1", "web-2"];
/// In place of a host: whichever the pool gives.
const POOLED: usize = HOSTS.len();

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Put { machine: usize, host: usize, image: char, generation: i64 },
    ApplyAgain { machine: usize },
    Delete { machine: usize },
    Image { digit: char },
    Habit { host: usize, habit: Habit },
    Fault { host: usize, call: Option<Call>, fault: Fault, times: Times },
    Mend { host: usize },
    Press { host: usize, power: Power },
    OldWord { host: usize, back: i64 },
    Stranger { host: usize },
    Store { unreadable: bool },
    Freeze { pool: bool },
    Unfreeze,
    Cancel { machine: usize, until: Until },
    GoOn { seconds: u64 },
    Turns { count: u8 },
}

fn event() -> impl Strategy<Value = Event> {
    let (host, machine) = (0..HOSTS.len(), 0..MACHINES.len());
    let habit = prop_oneof![
        4 => Just(Habit::Good),
        1 => prop::sample::select(vec![Habit::NoAgent, Habit::Silent, Habit::FailsBefore, Habit::FailsAfter,
            Habit::Stalls, Habit::NoSystem]),
    ];
    let fault = prop::sample::select(vec![
        Fault::Refuse,
        Fault::Silent,
        Fault::Broken,
        Fault::Busy,
        Fault::Hang,
        Fault::Lie,
    ]);
    let call = prop::option::of(prop::sample::select(vec![
        Call::Observe,
        Call::Power(Power::Off),
        Call::Power(Power::On),
        Call::NextBoot(Target::NetworkOnce),
        Call::NextBoot(Target::Disk),
    ]));
    let times = prop::sample::select(vec![Times::Once, Times::Forever]);
    let power = prop::sample::select(vec![Power::On, Power::Off]);
    let digit = prop::sample::select(vec!['a', 'b']);
    prop_oneof![
        6 => (machine.clone(), 0..=POOLED, digit.clone(), 1..4_i64)
            .prop_map(|(machine, host, image, generation)| Event::Put { machine, host, image, generation }),
        2 => machine.clone().prop_map(|machine| Event::ApplyAgain { machine }),
        2 => machine.clone().prop_map(|machine| Event::Delete { machine }),
        2 => any::<bool>().prop_map(|pool| Event::Freeze { pool }),
        2 => Just(Event::Unfreeze),
        2 => (machine, prop::sample::select(vec![Until::Written, Until::TheEnd]))
            .prop_map(|(machine, until)| Event::Cancel { machine, until }),
        2 => digit.prop_map(|digit| Event::Image { digit }),
        2 => (host.clone(), habit).prop_map(|(host, habit)| Event::Habit { host, habit }),
        2 => (host.clone(), call, fault, times)
            .prop_map(|(host, call, fault, times)| Event::Fault { host, call, fault, times }),
        2 => host.clone().prop_map(|host| Event::Mend { host }),
        1 => (host.clone(), power).prop_map(|(host, power)| Event::Press { host, power }),
        1 => (host.clone(), 1..1000_i64).prop_map(|(host, back)| Event::OldWord { host, back }),
        1 => host.prop_map(|host| Event::Stranger { host }),
        1 => any::<bool>().prop_map(|unreadable| Event::Store { unreadable }),
        6 => (1..3000_u64).prop_map(|seconds| Event::GoOn { seconds }),
        8 => (1..12_u8).prop_map(|count| Event::Turns { count }),
    ]
}

/// What has been seen of the rack so far.
#[derive(Default)]
struct Watch {
    /// Epochs in which a Deploy was assigned, with the generation, per machine.
    deploys: BTreeMap<ObjectId, Vec<(i64, i64)>>,
    assigned: usize,
}

impl Watch {
    /// Look at everything that was committed since the last look.
    async fn look(&mut self, rack: &Rack) -> Result<(), TestCaseError> {
        let new: Vec<_> = rack.store().assigned.iter().skip(self.assigned).cloned().collect();
        self.assigned += new.len();
        for (generation, work) in new {
            if !matches!(work.task, Task::Deploy(_)) {
                continue;
            }
            // The agent of that epoch has shown an inventory, and it is that of the box enrolled.
            let seen = rack.observation(work.host, Source::Inventory).await.ok().flatten();
            if let Some(Body::Inventory { epoch, inventory }) = seen.map(|seen| seen.body) {
                prop_assert_eq!(epoch, work.epoch);
                let host = rack.get::<Host>(work.host);
                prop_assert!(identity::check(&host.spec.identity, &inventory).is_ok());
            } else if !rack.is_unreadable() {
                prop_assert!(false, "work for an agent that never called home");
            }
            let before = self.deploys.entry(work.on_behalf_of).or_default();
            prop_assert!(before.iter().all(|(epoch, _)| *epoch < work.epoch), "an epoch is used once");
            before.push((work.epoch, generation));
        }
        self.claims_are_kept(rack)
    }

    /// A machine that has something on a host, or is about to, holds it; and nobody else does.
    fn claims_are_kept(&self, rack: &Rack) -> Result<(), TestCaseError> {
        for name in MACHINES {
            let Some(id) = rack.find(Kind::Machine, name) else { continue };
            let machine = rack.machine(id);
            let held = rack.store().claims.values().filter(|holder| **holder == id).count();
            prop_assert!(held <= 1, "{held} hosts at once: {:?}", machine.state);
            let run = machine.state.run().map(|run| run.host);
            let deployed = machine.state.deployed().map(|deployed| deployed.host);
            for host in run.into_iter().chain(deployed) {
                let holder = rack.store().claims.get(&host).copied();
                prop_assert_eq!(holder, Some(id), "{:?}", machine.state);
            }
            if let State::Ready { deployed } = &machine.state {
                prop_assert_eq!(Some(deployed), machine.status.deployed.as_ref());
            }
        }
        Ok(())
    }
}

impl Rack {
    fn is_unreadable(&self) -> bool {
        self.store().is_unreadable()
    }
}

fn spec(host: usize, image: char, generation: i64) -> Spec {
    let redeploy = Redeploy { generation, ..Redeploy::default() };
    let base = HOSTS.get(host).map_or_else(pooled, |host| machine(host));
    Spec { image: image_ref("debian", image), redeploy, ..base }
}

async fn happen(rack: &Rack, event: Event) {
    let id = |machine: usize| rack.find(Kind::Machine, MACHINES[machine]);
    match event {
        Event::Put { machine, host, image, generation } => {
            let deleting = id(machine).is_some_and(|id| rack.machine(id).meta.deleted_at.is_some());
            if !deleting {
                rack.put::<Machine>(MACHINES[machine], spec(host, image, generation));
            }
        }
        Event::ApplyAgain { machine } => id(machine).into_iter().for_each(|id| rack.apply_again(id)),
        Event::Delete { machine } => id(machine).into_iter().for_each(|id| rack.delete(id)),
        Event::Image { digit } => drop(rack.put_image(digit)),
        Event::Habit { host, habit } => rack.boxes.with(HOSTS[host], |one| one.habit = habit),
        Event::Fault { host, call, fault, times } => {
            let fault = if fault == Fault::Lie && call == Some(Call::Observe) { Fault::Busy } else { fault };
            rack.bmc(HOSTS[host]).break_down(call, fault, times);
        }
        Event::Mend { host } => rack.bmc(HOSTS[host]).mend(),
        Event::Press { host, power } => rack.bmc(HOSTS[host]).change(|seen| seen.power = power),
        Event::OldWord { host, back } => old_word(rack, HOSTS[host], back),
        Event::Stranger { host } => {
            let host = rack.find(Kind::Host, HOSTS[host]).expect("a host");
            let (key, address) = ("SHA256:other".into(), rack.now().to_string());
            rack.observe(host, Source::Intruder, Body::Intruder { epoch: 1, key, address });
        }
        Event::Store { unreadable } => rack.break_store(unreadable),
        Event::Freeze { pool } => {
            let pool = pool.then(|| "lab".parse().expect("a name"));
            rack.brake(Reach { site: None, pool });
        }
        Event::Unfreeze => rack.release(),
        Event::Cancel { machine, until } => id(machine).into_iter().for_each(|id| rack.cancel(id, until)),
        Event::GoOn { seconds } => rack.go_on(Duration::from_secs(seconds)).await,
        Event::Turns { count } => {
            for _ in 0..count {
                for name in MACHINES {
                    if let Some(id) = rack.find(Kind::Machine, name) {
                        rack.step(id).await;
                    }
                }
                rack.boxes.act(rack);
            }
        }
    }
}

/// The agent and the system of an earlier boot speak again.
fn old_word(rack: &Rack, name: &str, back: i64) {
    let host = rack.find(Kind::Host, name).expect("a host");
    let epoch = rack.store().assignments.get(&host).map_or(back, |work| work.epoch - back);
    let inventory = Box::new(testing::inventory(9));
    rack.observe(host, Source::Inventory, Body::Inventory { epoch, inventory });
    let (ssh_host_keys, address) = (Vec::new(), "10.0.0.66".into());
    rack.observe(host, Source::PhoneHome, Body::PhoneHome { epoch, ssh_host_keys, address });
}

/// The world stops failing: everything comes to rest, and stays there.
async fn ends_well(rack: &Rack, watch: &mut Watch) -> Result<(), TestCaseError> {
    rack.break_store(false);
    rack.release();
    for host in HOSTS {
        rack.bmc(host).mend();
        rack.boxes.with(host, |one| one.habit = Habit::Good);
    }
    rack.go_on(Duration::from_secs(2 * 24 * 3600)).await;
    watch.look(rack).await?;
    let resting: Vec<_> = MACHINES.iter().filter_map(|name| rack.find(Kind::Machine, name)).collect();
    for id in &resting {
        let machine = rack.machine(*id);
        let waits = machine.progress.waiting_for.as_deref().unwrap_or_default();
        if machine.state == State::Pending && waits.starts_with("a host of pool lab") {
            prop_assert!(none_is_free(rack), "it waits while one is free: {waits}");
            continue;
        }
        if machine.state == State::Pending && waits.starts_with("its turn") {
            let failed = |id: &ObjectId| matches!(rack.machine(*id).state, State::Failed { .. });
            prop_assert!(resting.iter().any(failed), "nobody has the turn it waits for: {waits}");
            continue;
        }
        prop_assert!(machine.state.is_settled() && machine.meta.deleted_at.is_none(), "{:?}", machine);
        prop_assert_eq!(machine.meta.observed_generation, machine.meta.generation);
        let failed = matches!(machine.state, State::Failed { .. });
        prop_assert_eq!(failed, machine.progress.failure.is_some());
    }
    let deploys: usize = watch.deploys.values().map(Vec::len).sum();
    for id in &resting {
        rack.step(*id).await;
    }
    rack.go_on(Duration::from_secs(3600)).await;
    watch.look(rack).await?;
    prop_assert_eq!(watch.deploys.values().map(Vec::len).sum::<usize>(), deploys, "what rests, rests");
    Ok(())
}

/// Has the pool nothing to give?
fn none_is_free(rack: &Rack) -> bool {
    HOSTS.iter().all(|name| {
        let id = rack.find(Kind::Host, name).expect("a host");
        rack.store().claims.contains_key(&id) || rack.phase::<Host>(id) != "available"
    })
}

/// What was ready for a spec is imaged again only for another one.
fn imaged_once(rack: &Rack, watch: &Watch, id: ObjectId) -> Result<(), TestCaseError> {
    if let State::Ready { deployed } = rack.machine(id).state {
        let after = |(epoch, _): &&(i64, i64)| *epoch > deployed.epoch;
        let later = watch.deploys.get(&id).into_iter().flatten().filter(after).count();
        prop_assert_eq!(later, 0, "what is ready is the newest that was written");
    }
    Ok(())
}

fn live(events: Vec<Event>, commits: Commits) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut rack = Rack::with_hosts(2).await;
        let limit = underlay_core::pool::Limit::Count(1);
        rack.put::<Pool>("lab", pool::Spec { max_disrupted: Some(limit), ..pool::Spec::default() });
        rack.run_due().await;
        rack.commits = commits;
        let mut watch = Watch::default();
        for event in events {
            let before: Vec<_> = MACHINES.iter().filter_map(|name| rested(&rack, name)).collect();
            let calm = matches!(event, Event::GoOn { .. } | Event::Turns { .. } | Event::Mend { .. });
            let frozen = rack.brakes.stand() && !matches!(event, Event::Unfreeze);
            let done = (changes(&rack), rack.store().begun());
            happen(&rack, event).await;
            if frozen {
                prop_assert_eq!(
                    (changes(&rack), rack.store().begun()),
                    done,
                    "nothing begins while it is frozen"
                );
            }
            watch.look(&rack).await?;
            if calm {
                // Nothing was put: what was ready is as it was.
                for (id, deployed) in before {
                    prop_assert_eq!(rack.machine(id).state, State::Ready { deployed });
                }
            }
            for name in MACHINES {
                if let Some(id) = rack.find(Kind::Machine, name) {
                    imaged_once(&rack, &watch, id)?;
                }
            }
        }
        ends_well(&rack, &mut watch).await
    })
}

/// Calls that were made to change something on a host.
fn changes(rack: &Rack) -> usize {
    let calls = HOSTS.iter().flat_map(|host| rack.bmc(host).calls());
    calls.filter(|call| *call != Call::Observe).count()
}

/// The machine, if it is ready and has nothing left to look at.
fn rested(rack: &Rack, name: &str) -> Option<(ObjectId, underlay_core::machine::Deployed)> {
    let machine = rack.machine(rack.find(Kind::Machine, name)?);
    let meta = &machine.meta;
    match machine.state {
        State::Ready { deployed }
            if meta.observed_generation == meta.generation && meta.deleted_at.is_none() =>
        {
            Some((meta.id, deployed))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_lost_and_nothing_is_imaged_twice(
        events in prop::collection::vec(event(), 1..30),
        dies in any::<bool>(),
    ) {
        live(events, if dies { Commits::SecondTime } else { Commits::Always })?;
    }
}
