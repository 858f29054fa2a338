//! Failed: rest, with the failure shown, until a new generation says to try again. What still runs on the disk is kept.

use underlay_core::{
    Step,
    machine::{Deployed, Machine, State},
};

use super::world::World;

pub(super) fn step(world: &World<'_>, deployed: Option<&Deployed>, generation: i64) -> Step<Machine> {
    if world.generation() > generation {
        let mut status = world.status();
        status.deployed = deployed.cloned();
        // Whoever asks again may have as many replacements again.
        status.given_up.clear();
        return Step::advance(status, State::Pending);
    }
    let object = &world.snapshot.object;
    match &object.progress.failure {
        Some(failure) => Step::failed(world.status(), object.state.clone(), failure.clone()),
        None => Step::done(world.status(), None),
    }
}
