//! What a controller decides: stay, go on, rest, fail, or be gone; and what is to be committed with that decision.
//!
//! A controller returns a [`Step`]; the engine alone persists it, state and effects in one transaction, with the place
//! in the source that made the decision.

use std::{panic::Location, time::Duration};

use crate::{
    Amount, Brake, Failure, Mac, Noun, ObjectId,
    agent::{Assignment, TokenGrant},
    boot,
};

/// How often an object that is held back is looked at when nothing wakes it.
const HELD: Duration = Duration::from_secs(3600);

/// One decision of a controller.
#[derive(Clone, Debug)]
pub struct Step<N: Noun> {
    /// What happens to the state.
    pub outcome: Outcome<N::State>,
    /// The status to show from now on.
    pub status: N::Status,
    /// What is committed together with the state.
    pub effects: Vec<Effect>,
    /// Where this was decided.
    pub decided_at: &'static Location<'static>,
}

/// What happens to the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<S> {
    /// Stay, because of `reason`; look again after `again`, or earlier when something changes.
    Wait {
        /// What is waited for, in a sentence with its evidence.
        reason: String,
        /// When to look again if nothing wakes us.
        again: Duration,
        /// How much is done.
        amount: Option<Amount>,
    },
    /// Stay, because a brake stands; look again when it is lifted, or after `again`.
    Held {
        /// What holds work back.
        brake: Brake,
        /// When to look again if nothing wakes us.
        again: Duration,
    },
    /// Go on to the next state at once.
    Advance {
        /// The next state.
        next: S,
    },
    /// What was wanted is true; rest until something changes or `audit` has passed.
    Done {
        /// Look again after this long even if nothing changes.
        audit: Option<Duration>,
    },
    /// It went wrong: take the state `next` and show `failure` until a new generation comes.
    Failed {
        /// The state in which the failure stands.
        next: S,
        /// What a person reads.
        failure: Failure,
        /// Look again after this long; left out: only when something changes.
        again: Option<Duration>,
    },
    /// Deletion is complete: leave a tombstone.
    Gone,
}

/// A change to something other than the state, committed with it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Claim `host` for the object that is stepped. If another object holds it, nothing of the step is committed
    /// and the controller is stepped again (its view will then show the holder).
    Claim {
        /// The host to claim.
        host: ObjectId,
    },
    /// The same, for its system as it stands: the agent that lives there stays.
    Join {
        /// The host to claim.
        host: ObjectId,
    },
    /// Give up the claim on `host`, if the object that is stepped holds it.
    Release {
        /// The host to give up.
        host: ObjectId,
    },
    /// Give up the claim on `host`, if the object that is stepped holds it, to the host itself: no machine can have it before
    /// its own controller has dealt with it.
    HandOver {
        /// The host.
        host: ObjectId,
    },
    /// Wait for a host of `pool`, whose controller grants one.
    Want {
        /// The pool.
        pool: ObjectId,
    },
    /// Want a host of a pool no more.
    Unwant,
    /// Claim `host` for `machine`, which wants one of the pool that is stepped. Where the machine wants none any more, or
    /// the host is taken, nothing happens and the pool is looked at again.
    Grant {
        /// The host.
        host: ObjectId,
        /// The machine.
        machine: ObjectId,
    },
    /// Wait until fewer machines of `pool` are disturbed.
    AwaitTurn {
        /// The pool.
        pool: ObjectId,
    },
    /// The object that is stepped counts as disturbed in `pool` from now on. If `limit` others do already, nothing of
    /// the step is committed and the controller is stepped again.
    Disturb {
        /// The pool.
        pool: ObjectId,
        /// How many may be disturbed at once.
        limit: usize,
    },
    /// The object that is stepped is as it should be: it is not disturbed any more and wants no host.
    Settle,
    /// A deployment failed by the fault of `host`: its controller sets it aside. What the deployment had in common with
    /// others is remembered with the pool.
    Accuse {
        /// The host.
        host: ObjectId,
        /// The pool it was taken from.
        pool: ObjectId,
        /// The evidence.
        failure: Box<Failure>,
        /// What others may have had in common with it: `("image", "sha256:..")`.
        shared: Vec<(String, String)>,
    },
    /// A deployment that had these things went well: they are not what is at fault.
    Absolve {
        /// The pool.
        pool: ObjectId,
        /// What it had.
        shared: Vec<(String, String)>,
    },
    /// What the boot servers answer `mac` from now on.
    PutBootPlan {
        /// The NIC that asks.
        mac: Mac,
        /// The host it belongs to.
        host: ObjectId,
        /// The answer.
        plan: boot::Plan,
    },
    /// What the image says from now on that the BMC of `host` shows it.
    PutBootMedia {
        /// The host.
        host: ObjectId,
        /// What it says.
        media: boot::Media,
    },
    /// Forget the boot plans and the boot media of `host`: it boots its own disk.
    DropBootPlans {
        /// The host.
        host: ObjectId,
    },
    /// Accept this one-time token; older tokens of the same host are void.
    GrantToken(TokenGrant),
    /// Void every token of `host`.
    RevokeTokens {
        /// The host.
        host: ObjectId,
    },
    /// What the agent on `host` is to do; replaces an earlier assignment.
    Assign(Assignment),
    /// A step is begun for the machine on `host`; not while a brake stands over it.
    BeginStep {
        /// The host.
        host: ObjectId,
    },
    /// The agent on `host` has nothing more to do.
    Unassign {
        /// The host.
        host: ObjectId,
    },
    /// Draw a password for the BMC of the host that is stepped, and keep it sealed; where there is one already it stays.
    DrawPassword,
    /// Forget the password of its own: the BMC of the host that is stepped was logged in to with the credential's.
    DropPassword,
    /// Look at another object now.
    Wake {
        /// The object.
        id: ObjectId,
    },
    /// Write a line into the object's history.
    Note {
        /// The line.
        text: String,
    },
}

impl<N: Noun> Step<N> {
    fn new(outcome: Outcome<N::State>, status: N::Status, decided_at: &'static Location<'static>) -> Self {
        Self { outcome, status, effects: Vec::new(), decided_at }
    }

    /// Stay and look again after `again`.
    #[track_caller]
    pub fn wait(status: N::Status, reason: impl Into<String>, again: Duration) -> Self {
        let outcome = Outcome::Wait { reason: reason.into(), again, amount: None };
        Self::new(outcome, status, Location::caller())
    }

    /// Stay until `brake` is lifted, which wakes the object.
    #[track_caller]
    pub fn held(status: N::Status, brake: Brake) -> Self {
        Self::new(Outcome::Held { brake, again: HELD }, status, Location::caller())
    }

    /// Go on to `next` at once.
    #[track_caller]
    pub fn advance(status: N::Status, next: N::State) -> Self {
        Self::new(Outcome::Advance { next }, status, Location::caller())
    }

    /// Rest until something changes.
    #[track_caller]
    pub fn done(status: N::Status, audit: Option<Duration>) -> Self {
        Self::new(Outcome::Done { audit }, status, Location::caller())
    }

    /// Take `next` and show `failure`.
    #[track_caller]
    pub fn failed(status: N::Status, next: N::State, failure: Failure) -> Self {
        Self::new(Outcome::Failed { next, failure, again: None }, status, Location::caller())
    }

    /// Leave a tombstone.
    #[track_caller]
    pub fn gone(status: N::Status) -> Self {
        Self::new(Outcome::Gone, status, Location::caller())
    }

    /// The same decision, with `amount` of the step done.
    #[must_use]
    pub fn at(mut self, done: Option<Amount>) -> Self {
        if let Outcome::Wait { amount, .. } = &mut self.outcome {
            *amount = done;
        }
        self
    }

    /// The same failure, looked at again after `after`: what is wrong may have been mended outside.
    #[must_use]
    pub fn retrying(mut self, after: Duration) -> Self {
        if let Outcome::Failed { again, .. } = &mut self.outcome {
            *again = Some(after);
        }
        self
    }

    /// The same decision, committed together with `effect`.
    #[must_use]
    pub fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}
