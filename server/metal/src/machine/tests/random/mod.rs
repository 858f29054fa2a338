//! Random lives of two machines and two hosts in one pool: whatever is put, deleted, broken, pressed and said in whatever order, some
//! things never happen, and when the world stops failing everything comes to rest.
//!
//! - this file: what may happen, and how; `watch`: what never does; `rest`: how it ends; `lives`: many of them, from one seed
//!
//! Every fault of the simulated rack has its like here:
//!
//! | there | here |
//! |---|---|
//! | disk-failure | `Habit::FailsBefore`, `Habit::FailsAfter` |
//! | dead-nic | `Habit::DeadNic`, `Habit::NoAgent` |
//! | slow-link, lost-packets | `Habit::Slow`, `Habit::Lossy` |
//! | bmc-flaky, bmc-garbage, bmc-hangs, bmc-slow | `Fault::Refuse`, `Silent`, `Broken`, `Busy`, `Hang`, `Slow`; once or for good |
//! | power-lies, power-stuck, lost-once | `Fault::Claims`, and `Fault::Lie` about power and next boot |
//! | wrong-serial, double-boot | `Habit::WrongSerial`, `Habit::BootsTwice` |
//! | agent-dies, no-phone-home | `Habit::Stalls`, `Habit::Silent`, `Habit::NoSystem` |
//!
//! And what no rack has: a store that cannot be read, for a while or in the middle of a step, a server that dies before
//! each commit, old agents that speak again, a finger on the power button.

mod lives;
mod rest;
mod watch;

use std::time::Duration;

use proptest::prelude::*;
use underlay_core::{
    Kind,
    bmc::{Power, Target},
    brake::Reach,
    cancellation::Until,
    machine::{Machine, Redeploy, Spec},
    observation::{Body, Source},
};

use crate::{
    bmc::fake::{Call, Fault, Times},
    testing::{self, Habit, Rack, image_ref, machine, pooled},
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
    Clear { host: usize },
    Press { host: usize, power: Power },
    OldWord { host: usize, back: i64 },
    Stranger { host: usize },
    Store { unreadable: bool },
    Read { after: u8 },
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
        2 => prop::sample::select(vec![Habit::NoAgent, Habit::Silent, Habit::FailsBefore, Habit::FailsAfter,
            Habit::Stalls, Habit::NoSystem, Habit::DeadNic, Habit::WrongSerial, Habit::BootsTwice, Habit::Slow,
            Habit::Lossy]),
    ];
    let fault = prop::sample::select(vec![
        Fault::Refuse,
        Fault::Silent,
        Fault::Broken,
        Fault::Busy,
        Fault::Hang,
        Fault::Lie,
        Fault::Slow,
        Fault::Claims(Power::On),
        Fault::Claims(Power::Off),
    ]);
    let call = prop::option::of(prop::sample::select(vec![
        Call::Observe,
        Call::Power(Power::Off),
        Call::Power(Power::On),
        Call::NextBoot(Target::NetworkOnce),
        Call::NextBoot(Target::Disk),
    ]));
    let times = prop_oneof![3 => Just(Times::Once), 1 => Just(Times::Forever)];
    let power = prop::sample::select(vec![Power::On, Power::Off]);
    let digit = prop::sample::select(vec!['a', 'b']);
    prop_oneof![
        6 => (machine.clone(), 0..=POOLED, digit.clone(), 1..4_i64)
            .prop_map(|(machine, host, image, generation)| Event::Put { machine, host, image, generation }),
        4 => machine.clone().prop_map(|machine| Event::ApplyAgain { machine }),
        2 => machine.clone().prop_map(|machine| Event::Delete { machine }),
        1 => any::<bool>().prop_map(|pool| Event::Freeze { pool }),
        3 => Just(Event::Unfreeze),
        2 => (machine, prop::sample::select(vec![Until::Written, Until::TheEnd]))
            .prop_map(|(machine, until)| Event::Cancel { machine, until }),
        2 => digit.prop_map(|digit| Event::Image { digit }),
        3 => (host.clone(), habit).prop_map(|(host, habit)| Event::Habit { host, habit }),
        8 => (host.clone(), call, fault, times)
            .prop_map(|(host, call, fault, times)| Event::Fault { host, call, fault, times }),
        6 => host.clone().prop_map(|host| Event::Mend { host }),
        3 => host.clone().prop_map(|host| Event::Clear { host }),
        1 => (host.clone(), power).prop_map(|(host, power)| Event::Press { host, power }),
        1 => (host.clone(), 1..1000_i64).prop_map(|(host, back)| Event::OldWord { host, back }),
        1 => host.prop_map(|host| Event::Stranger { host }),
        4 => prop::bool::weighted(0.3).prop_map(|unreadable| Event::Store { unreadable }),
        1 => (0..20_u8).prop_map(|after| Event::Read { after }),
        6 => (1..3000_u64).prop_map(|seconds| Event::GoOn { seconds }),
        8 => (1..12_u8).prop_map(|count| Event::Turns { count }),
    ]
}

impl Event {
    /// Is it something that goes wrong?
    fn is_fault(&self) -> bool {
        match self {
            Self::Habit { habit, .. } => *habit != Habit::Good,
            Self::Store { unreadable } => *unreadable,
            Self::Fault { .. }
            | Self::Press { .. }
            | Self::OldWord { .. }
            | Self::Stranger { .. }
            | Self::Read { .. } => true,
            Self::Put { .. }
            | Self::ApplyAgain { .. }
            | Self::Delete { .. }
            | Self::Image { .. }
            | Self::Mend { .. }
            | Self::Clear { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze
            | Self::Cancel { .. }
            | Self::GoOn { .. }
            | Self::Turns { .. } => false,
        }
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
            let (call, fault) = match (call, fault) {
                (Some(Call::Observe), Fault::Lie) => (call, Fault::Busy),
                // What a BMC claims shows when it is asked.
                (_, Fault::Claims(_)) => (Some(Call::Observe), fault),
                both => both,
            };
            rack.bmc(HOSTS[host]).break_down(call, fault, times);
        }
        Event::Mend { host } => rack.bmc(HOSTS[host]).mend(),
        Event::Clear { host } => {
            rack.find(Kind::Host, HOSTS[host]).into_iter().for_each(|id| rack.apply_again(id))
        }
        Event::Press { host, power } => rack.bmc(HOSTS[host]).change(|seen| seen.power = power),
        Event::OldWord { host, back } => old_word(rack, HOSTS[host], back),
        Event::Stranger { host } => {
            let host = rack.find(Kind::Host, HOSTS[host]).expect("a host");
            let (key, address) = ("SHA256:other".into(), rack.now().to_string());
            rack.observe(host, Source::Intruder, Body::Intruder { epoch: 1, key, address });
        }
        Event::Store { unreadable } => rack.break_store(unreadable),
        Event::Read { after } => rack.break_read(after.into()),
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
