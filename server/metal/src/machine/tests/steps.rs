//! Steps of the shop's own: in order, tried again, after a kill, behind brakes, and what becomes of a machine whose steps fail.

use std::time::Duration;

use serde_json::json;
use underlay_core::{
    ObjectId, State as _,
    brake::Reach,
    cancellation::Until,
    host::Host,
    machine::{Aspect, Machine, Spec, State},
    pool::{self, Pool},
    profile::{Declaration, Values},
    step::{self, OnFailure, Retry, Steps, Webhook, When, Work},
};

use super::deploying::deploys;
use crate::{
    step::Company,
    testing::{Answer, Commits, Rack, image_ref, machine, pooled},
};

fn webhook(attempts: u32) -> step::Spec {
    step::Spec {
        work: Work::Webhook(Webhook { url: "https://hooks.example/".into(), credential: None }),
        inputs: Default::default(),
        values: Values::new(),
        outputs: Default::default(),
        timeout: 60,
        retry: Retry { attempts, backoff: 10 },
        on_failure: OnFailure::Fail,
    }
}

fn declared(ty: &str) -> Declaration {
    let ty = ty.parse().expect("a type");
    Declaration { ty, required: true, secret: false, description: String::new() }
}

fn steps(pre: &[&str], post: &[&str]) -> Steps {
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Steps { pre_deploy: named(pre), post_deploy: named(post) }
}

/// A rack with steps `check` and `register`, and a machine that names one before and one after.
async fn rack(attempts: u32) -> (Rack, Spec) {
    let rack = Rack::with_hosts(1).await;
    rack.put::<step::Step>("check", webhook(attempts));
    rack.put::<step::Step>("register", webhook(attempts));
    let spec = Spec { steps: steps(&["check"], &["register"]), ..machine("lab-1") };
    (rack, spec)
}

fn tries(rack: &Rack) -> Vec<(String, u32)> {
    rack.steps.tries()
}

fn phases(rack: &Rack, id: ObjectId) -> Vec<&'static str> {
    let mut phases: Vec<_> = rack.store().entered.iter().filter(|(of, _)| *of == id).map(|e| e.1).collect();
    phases.dedup();
    phases
}

fn named(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(name, attempt)| ((*name).to_owned(), *attempt)).collect()
}

/// The machine is in `phase`, with a try under way.
async fn under_way(rack: &Rack, id: ObjectId, phase: &str) {
    for _ in 0..200 {
        let state = rack.machine(id).state;
        let begun = match &state {
            State::PreDeploy { course, .. } | State::PostDeploy { course, .. } => course.begun.is_some(),
            _ => false,
        };
        if state.phase() == phase && begun {
            rack.step(id).await;
            return;
        }
        rack.step(id).await;
        rack.boxes.act(rack);
        if rack.machine(id).state.phase() != phase {
            rack.steps.act(rack);
        }
    }
    panic!("never {phase}: {:?}", rack.machine(id));
}

#[tokio::test(start_paused = true)]
async fn steps_are_done_in_their_order_around_the_image() {
    let (rack, spec) = rack(1).await;
    rack.put::<step::Step>("burn-in", webhook(1));
    rack.put::<Pool>("lab", pool::Spec { steps: steps(&["burn-in"], &[]), ..pool::Spec::default() });
    let id = rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("burn-in", 1), ("check", 1), ("register", 1)]));
    let passed = [
        "powering_off",
        "powering_on",
        "booting",
        "pre_deploy",
        "imaging",
        "starting",
        "post_deploy",
        "ready",
    ];
    assert_eq!(phases(&rack, id), passed);
    let told = rack.steps.held().begun[2].told.clone();
    assert_eq!(told["machine"]["address"], json!("10.0.0.7"), "{told}");
    assert_eq!((&told["host"]["name"], &told["facts"]["serial"]), (&json!("lab-1"), &json!("SN-1")));
    let records = rack.machine(id).status.steps;
    let kept: Vec<_> = records.iter().map(|it| (it.name.as_str(), it.when, it.attempts.len())).collect();
    let (pre, post) = (When::PreDeploy, When::PostDeploy);
    assert_eq!(kept, [("burn-in", pre, 1), ("check", pre, 1), ("register", post, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_once_is_tried_again_after_its_pause() {
    let (rack, spec) = rack(2).await;
    let good = || Answer::Good(Values::new());
    rack.steps.answers([Answer::Bad("HTTP 500"), good(), Answer::Bad("HTTP 502"), good()]);
    let id = rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("check", 1), ("check", 2), ("register", 1), ("register", 2)]));
    let held = rack.steps.held();
    let [first, second, ..] = &held.begun[..] else { panic!("two tries") };
    assert_eq!(first.ticket.idempotency_key(), second.ticket.idempotency_key());
    assert!(second.ticket.begun_at.duration_since(first.ticket.begun_at).as_secs() >= 10);
    let words = rack.machine(id).status.steps[0].words();
    assert_eq!(words, "went well at try 2; try 1: HTTP 500");
    assert_eq!(deploys(&rack), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_keeps_failing_fails_the_machine_before_anything_is_written() {
    let (rack, spec) = rack(2).await;
    rack.steps.answers([Answer::Bad("no"), Answer::Bad("still no")]);
    let id = rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("still no (try 2 of 2)"), "{failure}");
    assert_eq!((deploys(&rack), tries(&rack).len()), (0, 2));
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready", "whoever asks again has as many tries again");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_after_the_deployment_is_done_again_without_another_image() {
    let (rack, spec) = rack(1).await;
    // The pool's, which the machine does not name itself, is owed as well.
    rack.put::<Pool>("lab", pool::Spec { steps: steps(&[], &["register"]), ..pool::Spec::default() });
    let good = || Answer::Good(Values::new());
    rack.steps.answers([good(), Answer::Bad("the inventory is down")]);
    let id = rack.put::<Machine>("web-1", Spec { steps: steps(&["check"], &[]), ..spec });
    assert_eq!(rack.settle(id).await, "failed");
    let failed = rack.machine(id);
    assert!(failed.state.deployed().is_some() && failed.status.deployed.is_some(), "it runs");
    let boots = rack.bmc("lab-1").boots().len();
    rack.apply_again(id);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("check", 1), ("register", 1), ("register", 1)]));
    assert_eq!((deploys(&rack), rack.bmc("lab-1").boots().len()), (1, boots));
    for _ in 0..3 {
        rack.step(id).await;
    }
    assert_eq!(tries(&rack).len(), 3, "what is done is done");
}

#[tokio::test(start_paused = true)]
async fn a_step_may_fail_without_holding_up_the_machine() {
    let (rack, spec) = rack(1).await;
    rack.put::<step::Step>("check", step::Spec { on_failure: OnFailure::Continue, ..webhook(1) });
    rack.steps.answers([Answer::Bad("no")]);
    let id = rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "ready");
    assert!(rack.machine(id).status.steps[0].words().starts_with("failed at try 1"));
}

#[tokio::test(start_paused = true)]
async fn a_step_may_set_the_host_aside() {
    let rack = Rack::with_hosts(2).await;
    let spec = step::Spec { on_failure: OnFailure::Quarantine, ..webhook(1) };
    rack.put::<step::Step>("check", spec);
    rack.put::<Pool>("lab", pool::Spec { steps: steps(&["check"], &[]), ..pool::Spec::default() });
    rack.run_due().await;
    rack.steps.answers([Answer::Bad("two ECC errors")]);
    let id = rack.put::<Machine>("web-1", pooled());
    assert_eq!(rack.settle(id).await, "ready", "on the other host");
    let first = rack.machine(id).status.given_up.first().cloned().expect("one was given up");
    let first = rack.find(underlay_core::Kind::Host, &first).expect("a host");
    assert_eq!(rack.phase::<Host>(first), "quarantined");

    let (rack, spec) = self::rack(1).await;
    rack.put::<step::Step>("check", step::Spec { on_failure: OnFailure::Quarantine, ..webhook(1) });
    rack.steps.answers([Answer::Bad("two ECC errors")]);
    let id = rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "failed", "it names its host");
    let host = rack.find(underlay_core::Kind::Host, "lab-1").expect("a host");
    rack.run_due().await;
    assert_eq!(rack.phase::<Host>(host), "quarantined");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_killed_while_a_step_is_under_way_does_it_again_only_where_it_may() {
    for (phase, attempts, then) in [
        ("pre_deploy", 1, "failed"),
        ("pre_deploy", 2, "ready"),
        ("post_deploy", 1, "failed"),
        ("post_deploy", 2, "ready"),
    ] {
        let (rack, spec) = rack(attempts).await;
        let id = rack.put::<Machine>("web-1", spec);
        under_way(&rack, id, phase).await;
        let begun = tries(&rack).len();
        rack.steps.restart();
        rack.step(id).await;
        assert_eq!(tries(&rack).len(), begun, "{phase}: nothing is begun before that is decided");
        assert_eq!(rack.settle(id).await, then, "{phase}, {attempts}");
        let of = if phase == "pre_deploy" { "check" } else { "register" };
        let done = tries(&rack).iter().filter(|(name, _)| name == of).count();
        assert_eq!(done, usize::try_from(attempts).expect("few"), "{phase}");
        let words = rack.machine(id).status.steps.iter().find(|it| it.name == of).expect("a record").words();
        assert!(words.contains("nobody knows whether it was done"), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_server_may_be_at_is_not_begun_twice() {
    let (rack, spec) = rack(2).await;
    rack.steps.held().company = Company::Shared;
    let id = rack.put::<Machine>("web-1", spec);
    under_way(&rack, id, "pre_deploy").await;
    rack.steps.restart();
    rack.step(id).await;
    rack.go_on(Duration::from_secs(100)).await;
    assert_eq!(tries(&rack).len(), 1, "its time is not over");
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack)[..2], named(&[("check", 1), ("check", 2)]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_before_every_commit_does_each_step_once() {
    let (mut rack, spec) = rack(1).await;
    rack.commits = Commits::SecondTime;
    let id = rack.put::<Machine>("web-1", spec);
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("check", 1), ("register", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_begins_nothing() {
    for after in 0..12 {
        let (rack, spec) = rack(1).await;
        let id = rack.put::<Machine>("web-1", spec);
        under_way(&rack, id, "pre_deploy").await;
        let begun = tries(&rack).len();
        rack.break_store(true);
        rack.go_on(Duration::from_secs(3 * 3600)).await;
        assert_eq!((tries(&rack).len(), rack.phase::<Machine>(id)), (begun, "pre_deploy"));
        rack.break_store(false);
        rack.break_read(after);
        assert_eq!(rack.settle(id).await, "ready", "{after}");
        assert_eq!(tries(&rack), named(&[("check", 1), ("register", 1)]), "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_brake_lets_a_try_end_and_begins_no_other() {
    let (rack, spec) = rack(1).await;
    let id = rack.put::<Machine>("web-1", spec);
    under_way(&rack, id, "pre_deploy").await;
    rack.brake(Reach { site: None, pool: Some("lab".parse().expect("a name")) });
    rack.go_on(Duration::from_secs(24 * 3600)).await;
    let held = rack.machine(id);
    assert_eq!((tries(&rack).len(), deploys(&rack)), (1, 0), "{:?}", held.progress);
    rack.release();
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("check", 1), ("register", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_step_under_way_is_stopped_with_its_machine() {
    for phase in ["pre_deploy", "post_deploy"] {
        let (rack, spec) = rack(3).await;
        let id = rack.put::<Machine>("web-1", spec.clone());
        under_way(&rack, id, phase).await;
        rack.steps.answers([Answer::Silent]);
        rack.cancel(id, Until::Written);
        assert_eq!(rack.settle(id).await, "failed", "{phase}");
        assert_eq!(rack.steps.held().stopped, [id]);
        assert_eq!(rack.machine(id).state.deployed().is_some(), phase == "post_deploy");

        let (rack, _) = self::rack(3).await;
        let id = rack.put::<Machine>("web-1", spec);
        under_way(&rack, id, phase).await;
        rack.steps.answers([Answer::Silent]);
        rack.delete(id);
        assert_eq!(rack.settle(id).await, "gone", "{phase}");
        assert_eq!(rack.steps.held().stopped, [id]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_out_goes_into_the_next_and_must_be_what_was_declared() {
    let (rack, spec) = rack(1).await;
    let outputs = [("slot".to_owned(), declared("number"))].into();
    rack.put::<step::Step>("check", step::Spec { outputs, ..webhook(1) });
    let inputs = [("slot".to_owned(), declared("number"))].into();
    rack.put::<step::Step>("register", step::Spec { inputs, ..webhook(1) });
    rack.steps.answers([Answer::Good(Values::from([("slot".to_owned(), json!(7))]))]);
    let id = rack.put::<Machine>("web-1", spec.clone());
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(rack.steps.held().begun[1].told["inputs"], json!({"slot": 7}));

    rack.delete(id);
    assert_eq!(rack.settle(id).await, "gone");
    rack.steps.answers([Answer::Good(Values::from([("slot".to_owned(), json!("seven"))]))]);
    let id = rack.put::<Machine>("web-2", spec);
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("output \"slot\" is a string and must be number"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_lacks_what_it_needs_is_refused_before_the_host_is_switched() {
    let (rack, spec) = rack(1).await;
    let inputs = [("asset.tag".to_owned(), declared("string"))].into();
    rack.put::<step::Step>("register", step::Spec { inputs, ..webhook(1) });
    let changes = rack.bmc("lab-1").calls().len();
    let id = rack.put::<Machine>("web-1", spec.clone());
    assert_eq!(rack.settle(id).await, "failed");
    let failure = rack.machine(id).progress.failure.expect("a failure");
    assert!(failure.why.contains("register: input \"asset.tag\" is given by nobody"), "{failure}");
    rack.put::<Machine>("web-1", Spec { steps: steps(&["gone"], &[]), ..spec });
    assert_eq!(rack.settle(id).await, "failed");
    assert!(rack.bmc("lab-1").boots().is_empty() && changes <= rack.bmc("lab-1").calls().len());
}

#[tokio::test(start_paused = true)]
async fn other_steps_after_a_deployment_are_done_on_what_runs() {
    let (rack, spec) = rack(1).await;
    let id = rack.put::<Machine>("web-1", Spec { steps: Steps::default(), ..spec.clone() });
    assert_eq!(rack.settle(id).await, "ready");
    let boots = rack.bmc("lab-1").boots().len();
    rack.put::<Machine>("web-1", spec.clone());
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("register", 1)]), "what comes before waits for a deployment");
    assert_eq!(rack.machine(id).status.pending, [Aspect::PreDeploy].into());
    assert_eq!((deploys(&rack), rack.bmc("lab-1").boots().len()), (1, boots));
    rack.put_image('b');
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), ..spec.clone() });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!(tries(&rack), named(&[("register", 1), ("check", 1), ("register", 1)]));
    assert!(rack.machine(id).status.pending.is_empty());
    rack.put::<Machine>("web-1", Spec { image: image_ref("debian", 'b'), steps: Steps::default(), ..spec });
    assert_eq!(rack.settle(id).await, "ready");
    assert_eq!((tries(&rack).len(), deploys(&rack)), (3, 2), "that none are named any more asks for nothing");
}
