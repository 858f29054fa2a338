//! Many lives from one seed. One that goes wrong is made short, and prints the command that lives it again.
//!
//! - `UNDERLAY_SEED=N` takes that seed in place of a random one
//! - `UNDERLAY_LIFE=N` lives the one life of that number and no other
//! - `UNDERLAY_FAULTS=N` goes on until so many faults were injected; `make e2e-full` takes a million
//! - `UNDERLAY_EVENTS=N` lets up to so many things happen in a life [default: 30]

use std::{
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestError, TestRng, TestRunner},
};
use underlay_core::{
    Kind,
    machine::State,
    pool::{self, Pool},
};

use super::{
    Event, HOSTS, MACHINES, event, happen,
    rest::{changes, ends_well, rested},
    watch::{Watch, imaged_once},
};
use crate::testing::{Commits, Rack};

/// What a run takes when nobody says otherwise.
const LIVES: u64 = 200;

/// One life; what was seen of it.
fn live(events: Vec<Event>, commits: Commits) -> Result<Watch, TestCaseError> {
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
            let time = matches!(event, Event::GoOn { .. });
            if matches!(
                event,
                Event::Freeze { .. } | Event::Unfreeze | Event::Store { .. } | Event::Read { .. }
            ) {
                watch.is_disturbed();
            }
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
            watch.look(&rack)?;
            if time {
                watch.nothing_is_overdue(&rack)?;
            }
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
        ends_well(&rack, &mut watch).await?;
        let agents: u64 = HOSTS.iter().map(|host| rack.boxes.with(host, |one| one.struck)).sum();
        watch.struck += agents;
        watch.trace = rack.store().entered.iter().map(|(_, phase)| *phase).collect();
        Ok(watch)
    })
}

/// What all lives came to.
#[derive(Default)]
struct Tally {
    lives: AtomicU64,
    events: AtomicU64,
    injected: AtomicU64,
    struck: AtomicU64,
    deployments: AtomicU64,
}

/// The life of that number, in which fewer than `most` things happen: the same number, the same life.
fn one(number: u64, most: usize, tally: &Tally) -> Result<Vec<&'static str>, String> {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    let config = ProptestConfig {
        cases: 1,
        max_shrink_iters: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let whole = std::cell::RefCell::new((AtomicBool::new(true), Vec::new()));
    let lived = runner.run(&(prop::collection::vec(event(), 1..most), any::<bool>()), |(events, dies)| {
        let faults = events.iter().filter(|event| event.is_fault()).count() as u64;
        let count = events.len() as u64;
        let commits = if dies { Commits::SecondTime } else { Commits::Always };
        // A panic is how the rack says that a step overran its limit, or that it spins.
        let watch = catch_unwind(AssertUnwindSafe(|| live(events, commits)));
        let watch = watch.map_err(|panic| TestCaseError::fail(said(&*panic)))??;
        let mut whole = whole.borrow_mut();
        if whole.0.swap(false, Ordering::Relaxed) {
            tally.lives.fetch_add(1, Ordering::Relaxed);
            tally.events.fetch_add(count, Ordering::Relaxed);
            tally.injected.fetch_add(faults, Ordering::Relaxed);
            tally.struck.fetch_add(watch.struck, Ordering::Relaxed);
            let deployments: usize = watch.deploys.values().map(Vec::len).sum();
            tally.deployments.fetch_add(deployments as u64, Ordering::Relaxed);
        }
        whole.1 = watch.trace;
        Ok(())
    });
    match lived {
        Ok(()) => Ok(whole.into_inner().1),
        Err(TestError::Fail(why, (events, dies))) => Err(format!(
            "life {number}: {why}\nthe shortest that goes wrong (the server dies before each commit: {dies}): {events:#?}\n\
             the same life again: UNDERLAY_LIFE={number} UNDERLAY_EVENTS={most} cargo test -p underlay-metal --lib \
             machine::tests::random -- --nocapture"
        )),
        Err(TestError::Abort(why)) => Err(format!("life {number} was given up: {why}")),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn asked<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().ok().unwrap_or_else(|| panic!("{name}={text}: a number is wanted")))
}

/// The number of life `index` of a run.
fn number(seed: u64, index: u64) -> u64 {
    seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_is_imaged_twice() {
    let (tally, most) = (Tally::default(), asked("UNDERLAY_EVENTS").unwrap_or(30));
    if let Some(number) = asked("UNDERLAY_LIFE") {
        one(number, most, &tally).unwrap_or_else(|why| panic!("{why}"));
        return;
    }
    let seed = asked("UNDERLAY_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let faults: Option<u64> = asked("UNDERLAY_FAULTS");
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let goes_on = |index: u64| match faults {
        Some(faults) => tally.injected.load(Ordering::Relaxed) < faults,
        None => index < LIVES,
    };
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if !goes_on(index) {
                return Ok(());
            }
            one(number(seed, index), most, &tally).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    let began = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let lived: Result<(), String> = thread.join().expect("it catches panics");
            lived.unwrap_or_else(|why| panic!("{why}\nof the run UNDERLAY_SEED={seed}"));
        }
    });
    println!(
        "seed {seed}: {:?} lives, {:?} events, {:?} faults injected, {:?} struck, {:?} deployments, in {} s",
        tally.lives,
        tally.events,
        tally.injected,
        tally.struck,
        tally.deployments,
        began.elapsed().as_secs()
    );
}

#[test]
fn the_same_number_is_the_same_life() {
    let tally = Tally::default();
    for number in 0..8 {
        let trace = one(number, 30, &tally).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(one(number, 30, &tally), Ok(trace), "life {number}");
    }
}
