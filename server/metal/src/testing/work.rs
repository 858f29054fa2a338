//! Whoever does steps, by a script: each try is answered with the next of its answers, once the world goes on.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

use underlay_core::{
    ObjectId,
    observation::{Body, Source},
    profile::Values,
    step::{Ended, Result, Ticket},
};
use uuid::Uuid;

use super::Rack;
use crate::step::{Company, Job, Runner, Standing};

/// What comes of a try.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Good(Values),
    Bad(&'static str),
    /// It is at it for ever.
    Silent,
}

pub(crate) struct FakeSteps(Mutex<Held>);

pub(crate) struct Held {
    pub(crate) instance: Uuid,
    pub(crate) company: Company,
    /// What comes next; then all goes well.
    pub(crate) answers: VecDeque<Answer>,
    /// Every try that was begun.
    pub(crate) begun: Vec<Job>,
    pub(crate) stopped: Vec<ObjectId>,
    known: HashMap<ObjectId, (Ticket, Standing)>,
    under_way: Vec<Ticket>,
}

impl Default for FakeSteps {
    fn default() -> Self {
        Self(Mutex::new(Held {
            instance: Uuid::new_v4(),
            company: Company::Alone,
            answers: VecDeque::new(),
            begun: Vec::new(),
            stopped: Vec::new(),
            known: HashMap::new(),
            under_way: Vec::new(),
        }))
    }
}

impl FakeSteps {
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("no test panicked with it")
    }

    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.held().answers = answers.into_iter().collect();
    }

    /// The step and try of all that was begun, in order.
    pub(crate) fn tries(&self) -> Vec<(String, u32)> {
        self.held().begun.iter().map(|job| (job.step.clone(), job.ticket.attempt)).collect()
    }

    /// The server is killed and started again: what it was at is lost, and nobody knows how far it came.
    pub(crate) fn restart(&self) {
        let mut held = self.held();
        held.instance = Uuid::new_v4();
        held.known.clear();
        held.under_way.clear();
    }

    /// Tells what came of the tries under way. Did anything?
    pub(crate) fn act(&self, rack: &Rack) -> bool {
        let mut told = Vec::new();
        {
            let mut held = self.held();
            let mut left = Vec::new();
            for ticket in std::mem::take(&mut held.under_way) {
                let result = match held.answers.pop_front() {
                    None => Result::Done { outputs: Values::new() },
                    Some(Answer::Good(outputs)) => Result::Done { outputs },
                    Some(Answer::Bad(why)) => Result::Failed { why: why.into() },
                    Some(Answer::Silent) => {
                        held.answers.push_front(Answer::Silent);
                        left.push(ticket);
                        continue;
                    }
                };
                told.push(Ended { ticket, result });
            }
            held.under_way = left;
        }
        let acted = !told.is_empty();
        for ended in told {
            rack.observe(ended.ticket.machine, Source::Step, Body::Step(Box::new(ended)));
        }
        acted
    }
}

impl Runner for FakeSteps {
    fn instance(&self) -> Uuid {
        self.held().instance
    }

    fn company(&self) -> Company {
        self.held().company
    }

    fn standing(&self, ticket: &Ticket) -> Option<Standing> {
        let held = self.held();
        held.known.get(&ticket.machine).filter(|(known, _)| known == ticket).map(|(_, standing)| *standing)
    }

    fn begin(&self, job: Job) {
        assert!(self.standing(&job.ticket).is_none(), "a try is begun once: {job:?}");
        let mut held = self.held();
        held.known.insert(job.ticket.machine, (job.ticket.clone(), Standing::Begun));
        held.under_way.retain(|ticket| ticket.machine != job.ticket.machine);
        held.under_way.push(job.ticket.clone());
        held.begun.push(job);
    }

    fn stop(&self, machine: ObjectId) {
        let mut held = self.held();
        held.stopped.push(machine);
        held.under_way.retain(|ticket| ticket.machine != machine);
        if let Some((_, standing)) = held.known.get_mut(&machine) {
            *standing = Standing::Stopped;
        }
    }
}
