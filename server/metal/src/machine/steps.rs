//! Steps of the shop's own, before and after a deployment: which they are, and how the present one is begun, waited for and
//! judged.
//!
//! That a try may have begun is committed before it is: whoever goes on after a crash runs it again only where the step's
//! `retry` allows another try. A failed read decides nothing here, so it begins nothing either.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use underlay_core::{
    Amount, Effect, ErrorKind, Failure, Key, Kind, Object, ObjectId, Snapshot, Step, Unit,
    host::Host,
    machine::{Machine, Run, State, Status},
    observation::{Body, Source},
    profile::{Resolved, Values},
    step::{self, Begun, Course, OnFailure, Planned, Record, Result as Came, Spec, Ticket, When},
};

use super::{
    claiming, inheriting, telling,
    world::{LATER, World},
};
use crate::{
    bmc::Login,
    step::{Company, Job, Standing, Work},
};

/// Beyond its time, so long is waited for word of a try that somebody else does.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// What comes of looking at a course.
pub(super) enum Turn {
    /// The machine does this meanwhile.
    Step(Box<Step<Machine>>),
    /// The present step failed for good.
    Failed(Box<Status>, Failure, OnFailure),
    /// All are done.
    Over,
}

/// The steps that are named for that part: those of the pool, then those of the machine.
pub(super) async fn named(
    world: &World<'_>,
    host: &Object<Host>,
    when: When,
) -> Result<Vec<(Planned, Spec)>, Failure> {
    let mut found: Vec<(Planned, Spec)> = Vec::new();
    let pool = claiming::pool_of(world, host).await?;
    let mut wanted: Vec<(Key, String, String)> = Vec::new();
    if let Some(pool) = pool {
        let who = format!("pool {}", pool.meta.key.name);
        wanted.extend(
            pool.spec.steps.at(when).iter().map(|name| (pool.meta.key.clone(), name.clone(), who.clone())),
        );
    }
    let object = &world.snapshot.object;
    for name in object.spec.steps.at(when) {
        wanted.push((object.meta.key.clone(), name.clone(), "it".into()));
    }
    for (key, name, who) in wanted {
        let raw =
            world.view.by_name(&key, Kind::Step, &name).await.map_err(|error| world.unreadable(&error))?;
        let Some(raw) = raw else {
            let why = format!("{who} names step \"{name}\", and there is none in site {}", key.site);
            return Err(unfit(world, when, why));
        };
        let step = raw.decode::<step::Step>().map_err(|error| world.unreadable(&error))?;
        if found.iter().all(|(known, _)| known.id != step.meta.id) {
            found.push((Planned { name, id: step.meta.id }, step.spec));
        }
    }
    Ok(found)
}

/// The course of that part; `None` where nothing is to be done.
pub(super) async fn course(
    world: &World<'_>,
    host: &Object<Host>,
    when: When,
) -> Result<Option<Course>, Failure> {
    let named = named(world, host, when).await?;
    Ok(Course::new(when, named.into_iter().map(|(planned, _)| planned).collect()))
}

/// Why a deployment with the steps as they are would come to nothing; asked before anything is touched.
pub(super) async fn foresee(
    world: &World<'_>,
    host: &Object<Host>,
    attributes: &Resolved,
) -> Result<Option<Failure>, Failure> {
    let mut promised = BTreeSet::new();
    for when in [When::PreDeploy, When::PostDeploy] {
        let named = match named(world, host, when).await {
            Ok(named) => named,
            Err(failure) if failure.kind == ErrorKind::Transient => return Err(failure),
            Err(failure) => return Ok(Some(failure)),
        };
        for (planned, spec) in named {
            if let Some(lack) = step::lacks(&spec, attributes, &promised) {
                return Ok(Some(unfit(world, when, format!("step {}: {lack}", planned.name))));
            }
            promised.extend(spec.outputs.into_keys());
        }
    }
    Ok(None)
}

fn unfit(world: &World<'_>, when: When, why: String) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!("machine {}: its steps", world.name()),
        why,
        "no step was begun and no byte was written",
        "correct the step, the pool or the machine, and apply again",
    )
    .at(format!("steps.{}", when.as_str()))
}

/// Looks at the present step: begins it, waits for it, or judges what came of it.
pub(super) async fn look(
    world: &World<'_>,
    run: &Run,
    course: &Course,
    host: &Object<Host>,
) -> Result<Turn, Failure> {
    let Some(planned) = course.present() else { return Ok(Turn::Over) };
    let Some(step) = definition(world, planned.id).await? else {
        let why = format!("step {} was deleted meanwhile", planned.name);
        let failure = unfit(world, course.when, why);
        return Ok(Turn::Failed(Box::new(world.status()), failure, OnFailure::Fail));
    };
    match course.ticket(world.snapshot.object.meta.id, run.epoch) {
        None => begin(world, run, course, host, &step.spec).await,
        Some(ticket) => follow(world, run, course, host, (&step, &ticket)).await,
    }
}

async fn definition(world: &World<'_>, id: ObjectId) -> Result<Option<Object<step::Step>>, Failure> {
    let raw = world.view.by_id(id).await.map_err(|error| world.unreadable(&error))?;
    raw.map(|raw| raw.decode::<step::Step>()).transpose().map_err(|error| world.unreadable(&error))
}

fn named_now(course: &Course) -> &str {
    course.present().map(|planned| planned.name.as_str()).unwrap_or_default()
}

fn amount(course: &Course) -> Amount {
    let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    Amount { done: number(course.at), total: number(course.steps.len()), unit: Unit::Steps }
}

/// Nothing is done here but to say that a try may begin.
async fn begin(
    world: &World<'_>,
    run: &Run,
    course: &Course,
    host: &Object<Host>,
    spec: &Spec,
) -> Result<Turn, Failure> {
    let wait = |step: Step<Machine>| Turn::Step(Box::new(step.at(Some(amount(course)))));
    if let Some(brake) = &world.hold.brake {
        return Ok(wait(Step::held(world.status(), brake.clone())));
    }
    let (name, now) = (named_now(course), world.snapshot.now);
    if let Some(later) = course.not_before.filter(|later| *later > now) {
        let reason = format!("try {} of step {name}, after a pause", course.attempt);
        return Ok(wait(Step::wait(world.status(), reason, later.duration_since(now).unsigned_abs())));
    }
    let attributes = attributes(world, host).await?;
    let mut status = world.status();
    if let Err(lack) = step::inputs(spec, &attributes, &earlier(&status)) {
        let failure = unfit(world, course.when, format!("step {name}: {lack}"));
        return Ok(Turn::Failed(Box::new(status), failure, spec.on_failure));
    }
    let begun = Begun { at: now, by: world.machines.steps.instance() };
    if let Some(planned) = course.present() {
        Record::begin(&mut status.steps, course.when, planned, now);
    }
    let text =
        format!("step {name} ({}): try {} of {}", spec.work.as_str(), course.attempt, spec.retry.attempts);
    let step = Step::advance(status, entered(run, &course.beginning(begun)))
        .with(Effect::BeginStep { host: run.host })
        .with(Effect::Note { text });
    Ok(wait(step))
}

async fn follow(
    world: &World<'_>,
    run: &Run,
    course: &Course,
    host: &Object<Host>,
    (step, ticket): (&Object<step::Step>, &Ticket),
) -> Result<Turn, Failure> {
    let spec = &step.spec;
    if let Some(came) = told(world.snapshot, ticket) {
        return Ok(judge(world, run, course, spec, came));
    }
    let runner = &world.machines.steps;
    let begun = course.begun.unwrap_or(Begun { at: ticket.begun_at, by: runner.instance() });
    let name = named_now(course);
    if begun.by != runner.instance() {
        return Ok(forsaken(world, run, course, spec, begun));
    }
    let reason =
        format!("step {name} ({}), try {} of {}", spec.work.as_str(), course.attempt, spec.retry.attempts);
    match runner.standing(ticket) {
        Some(Standing::Begun) => {}
        Some(Standing::Stopped) => {
            let why = "it was stopped while it was under way, and may have been done in part".to_owned();
            return Ok(judge(world, run, course, spec, Came::Failed { why }));
        }
        None => {
            let work = match prepare(world, step).await? {
                Ok(work) => work,
                Err(why) => return Ok(judge(world, run, course, spec, Came::Failed { why })),
            };
            let inputs =
                step::inputs(spec, &attributes(world, host).await?, &earlier(&world.snapshot.object.status));
            let inputs = match inputs {
                Ok(inputs) => inputs,
                Err(lack) => {
                    return Ok(judge(world, run, course, spec, Came::Failed { why: lack.to_string() }));
                }
            };
            runner.begin(Job {
                told: telling::told(world, run, host, (name, ticket), &inputs),
                ticket: ticket.clone(),
                host: run.host,
                step: name.to_owned(),
                work,
                limit: spec.limit(),
            });
        }
    }
    let step = Step::wait(world.status(), reason, LATER).at(Some(amount(course)));
    Ok(Turn::Step(Box::new(step)))
}

/// Somebody else began it: an earlier start of this server, which is gone, or another server, which may be at it.
fn forsaken(world: &World<'_>, run: &Run, course: &Course, spec: &Spec, begun: Begun) -> Turn {
    let limit = SignedDuration::try_from(spec.limit()).unwrap_or(SignedDuration::MAX);
    let until = begun.at.checked_add(limit.saturating_add(GRACE)).unwrap_or(Timestamp::MAX);
    let now = world.snapshot.now;
    if world.machines.steps.company() == Company::Shared && now < until {
        let reason = format!("step {}, which another server began", named_now(course));
        let again = until.duration_since(now).unsigned_abs().min(LATER);
        return Turn::Step(Box::new(Step::wait(world.status(), reason, again).at(Some(amount(course)))));
    }
    let why = "the server was stopped while it was under way, so nobody knows whether it was done".to_owned();
    judge(world, run, course, spec, Came::Failed { why })
}

/// Goes on to the next step or the next try, or says that it failed for good.
fn judge(world: &World<'_>, run: &Run, course: &Course, spec: &Spec, came: Came) -> Turn {
    let (mut status, now, name) = (world.status(), world.snapshot.now, named_now(course));
    let came = match came {
        Came::Done { outputs } => step::outputs(spec, outputs).map_err(|error| error.to_string()),
        Came::Failed { why } => Err(why),
    };
    Record::end(&mut status.steps, (course.when, name), now, came.clone());
    let why = match came {
        Ok(_) => {
            let text = format!("step {name} is done, at try {}", course.attempt);
            let step = Step::advance(status, entered(run, &course.onward())).with(Effect::Note { text });
            return Turn::Step(Box::new(step));
        }
        Err(why) => why,
    };
    let (tried, all) = (course.attempt, spec.retry.attempts);
    if tried < all {
        let pause = spec.retry.pause(tried);
        let text =
            format!("step {name} failed at try {tried} of {all}: {why}; again in {} s", pause.as_secs());
        let next = course.again(now.checked_add(pause).unwrap_or(now));
        return Turn::Step(Box::new(Step::advance(status, entered(run, &next)).with(Effect::Note { text })));
    }
    if spec.on_failure == OnFailure::Continue {
        let text = format!("step {name} failed at try {tried} of {all}: {why}; going on, as on_failure says");
        let step = Step::advance(status, entered(run, &course.onward())).with(Effect::Note { text });
        return Turn::Step(Box::new(step));
    }
    let failure = Failure::new(
        ErrorKind::Permanent,
        format!("machine {}: step {name} ({})", world.name(), course.when.as_str()),
        format!("{why} (try {tried} of {all})"),
        match course.when {
            When::PreDeploy => "no byte was written to its disk",
            When::PostDeploy => "the installed system was left as it runs",
        },
        format!(
            "see underlay explain machine/{0} and underlay logs machine/{0}, then apply again",
            world.name()
        ),
    );
    Turn::Failed(Box::new(status), failure, spec.on_failure)
}

/// What was told of that try.
fn told(snapshot: &Snapshot<Machine>, ticket: &Ticket) -> Option<Came> {
    snapshot.observations.iter().filter(|seen| seen.source == Source::Step).find_map(|seen| {
        match &seen.body {
            Body::Step(ended) if ended.ticket == *ticket => Some(ended.result.clone()),
            _ => None,
        }
    })
}

/// What is done, with its secrets; or why it cannot be.
async fn prepare(world: &World<'_>, step: &Object<step::Step>) -> Result<Result<Work, String>, Failure> {
    match &step.spec.work {
        step::Work::Webhook(webhook) => {
            let login = match &webhook.credential {
                None => None,
                Some(name) => {
                    let found = world.view.credential(&step.meta.key, name).await;
                    match found.map_err(|error| world.unreadable(&error))? {
                        Some((user, password)) => Some(Login { user, password }),
                        None => return Ok(Err(format!("its credential {name} is not there"))),
                    }
                }
            };
            Ok(Ok(Work::Webhook { url: webhook.url.clone(), login }))
        }
    }
}

async fn attributes(world: &World<'_>, host: &Object<Host>) -> Result<Resolved, Failure> {
    let inheritance = inheriting::inheritance(world, Some(host)).await?;
    Ok(inheritance.resolve(world.spec()).0)
}

/// What the steps before gave; of two that gave one, the later.
pub(super) fn earlier(status: &Status) -> Values {
    status.steps.iter().flat_map(|record| record.outputs.clone()).collect()
}

fn entered(run: &Run, course: &Course) -> State {
    let (run, course) = (run.clone(), course.clone());
    match course.when {
        When::PreDeploy => State::PreDeploy { run, course },
        When::PostDeploy => State::PostDeploy { run, course },
    }
}

/// Stops what is under way for a machine that does not wait for it any more.
pub(super) fn tidy(world: &World<'_>, decided: &Step<Machine>) {
    use underlay_core::Outcome;
    let (State::PreDeploy { course, .. } | State::PostDeploy { course, .. }) = &world.snapshot.object.state
    else {
        return;
    };
    let still = match &decided.outcome {
        Outcome::Wait { .. } | Outcome::Held { .. } | Outcome::Done { .. } => true,
        // The next step or try has another ticket, which sees to this one.
        Outcome::Advance { next } => matches!(next, State::PreDeploy { .. } | State::PostDeploy { .. }),
        Outcome::Failed { .. } | Outcome::Gone => false,
    };
    if !still && course.begun.is_some() {
        world.machines.steps.stop(world.snapshot.object.meta.id);
    }
}
