//! How a life ends: once the world stops failing, everything comes to rest, and stays there.

use std::time::Duration;

use proptest::prelude::*;
use underlay_core::{
    Kind, ObjectId, State as _,
    host::Host,
    machine::{Deployed, State},
};

use super::{HOSTS, MACHINES, watch::Watch};
use crate::{
    bmc::fake::Call,
    testing::{Habit, Rack},
};

/// The world stops failing: everything comes to rest, and stays there.
pub(super) async fn ends_well(rack: &Rack, watch: &mut Watch) -> Result<(), TestCaseError> {
    rack.break_store(false);
    rack.release();
    for host in HOSTS {
        rack.bmc(host).mend();
        rack.boxes.with(host, |one| one.habit = Habit::Good);
    }
    rack.go_on(Duration::from_secs(2 * 24 * 3600)).await;
    watch.look(rack)?;
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
    watch.look(rack)?;
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

/// Calls that were made to change something on a host.
pub(super) fn changes(rack: &Rack) -> usize {
    let calls = HOSTS.iter().flat_map(|host| rack.bmc(host).calls());
    calls.filter(|call| *call != Call::Observe).count()
}

/// The machine, if it is ready and has nothing left to look at.
pub(super) fn rested(rack: &Rack, name: &str) -> Option<(ObjectId, Deployed)> {
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
