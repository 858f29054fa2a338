//! Step on the wire, both ways; and the lists of steps that pools and machines name.

use std::collections::{BTreeMap, HashMap};

use underlay_core::{
    FieldError, Object,
    profile::Declaration,
    step::{OnFailure, Record, Retry, Spec, Step, Steps, TIMEOUT, Webhook, Work},
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object, profile, values};

const ON_FAILURE: [(&str, OnFailure); 3] =
    [("fail", OnFailure::Fail), ("quarantine", OnFailure::Quarantine), ("continue", OnFailure::Continue)];
/// The longest URL, in bytes.
const URL: usize = 2048;

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::StepSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let work = work(&mut faults, message.work);
    let retry = message.retry.unwrap_or_default();
    let default = Retry::default();
    let retry = Retry {
        attempts: if retry.attempts == 0 { default.attempts } else { retry.attempts },
        backoff: retry.backoff_seconds.unwrap_or(default.backoff),
    };
    let inputs = declarations(&mut faults, "inputs", message.inputs);
    let outputs = declarations(&mut faults, "outputs", message.outputs);
    let spec = work.map(|work| Spec {
        work,
        inputs,
        values: values::values(&mut faults, "values", message.values),
        outputs,
        timeout: if message.timeout_seconds == 0 { TIMEOUT.as_secs() } else { message.timeout_seconds },
        retry,
        on_failure: faults.word("on_failure", &message.on_failure, &ON_FAILURE, OnFailure::Fail),
    });
    faults.into_result(spec)
}

fn work(faults: &mut Faults, message: Option<pb::step_spec::Work>) -> Option<Work> {
    let Some(message) = message else {
        faults.add("webhook", "say by whom the step is done: webhook = { url = .. }");
        return None;
    };
    Some(match message {
        pb::step_spec::Work::Webhook(webhook) => Work::Webhook(Webhook {
            url: faults.text("webhook.url", webhook.url, URL),
            credential: faults.optional("webhook.credential", webhook.credential),
        }),
    })
}

fn declarations(
    faults: &mut Faults,
    attribute: &str,
    message: HashMap<String, pb::Declaration>,
) -> BTreeMap<String, Declaration> {
    let declared = faults.map(attribute, message).into_iter();
    declared
        .map(|(name, declared)| {
            let declared = profile::declaration(faults, &format!("{attribute}.{name}"), declared);
            (name, declared)
        })
        .collect()
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::StepSpec {
    let spelled = |declared: &BTreeMap<String, Declaration>| {
        declared.iter().map(|(name, it)| (name.clone(), profile::declaration_message(it))).collect()
    };
    let word = ON_FAILURE.iter().find(|(_, policy)| *policy == spec.on_failure);
    pb::StepSpec {
        work: Some(work_message(&spec.work)),
        inputs: spelled(&spec.inputs),
        values: values::message(&spec.values),
        outputs: spelled(&spec.outputs),
        timeout_seconds: spec.timeout,
        retry: Some(pb::StepRetry {
            attempts: spec.retry.attempts,
            backoff_seconds: Some(spec.retry.backoff),
        }),
        on_failure: word.map(|(word, _)| (*word).to_owned()).unwrap_or_default(),
    }
}

fn work_message(work: &Work) -> pb::step_spec::Work {
    match work {
        Work::Webhook(webhook) => pb::step_spec::Work::Webhook(pb::Webhook {
            url: webhook.url.clone(),
            credential: webhook.credential.clone().unwrap_or_default(),
        }),
    }
}

/// Spells a step.
pub(crate) fn message(step: &Object<Step>) -> pb::Step {
    pb::Step {
        meta: Some(object::meta(&step.meta)),
        spec: Some(spec_message(&step.spec)),
        status: Some(pb::StepStatus {}),
        standing: Some(object::standing(step)),
    }
}

/// Reads which steps a pool or a machine names.
pub(crate) fn steps(faults: &mut Faults, message: Option<pb::Steps>) -> Steps {
    let message = message.unwrap_or_default();
    let mut names = |when: &str, names: Vec<String>| {
        let attribute = format!("steps.{when}");
        let names = faults.list(&attribute, names).into_iter().enumerate();
        names.map(|(at, name)| faults.text(&format!("{attribute}.{at}"), name, 512)).collect()
    };
    Steps {
        pre_deploy: names("pre_deploy", message.pre_deploy),
        post_deploy: names("post_deploy", message.post_deploy),
    }
}

/// Spells which steps a pool or a machine names; nothing where there are none.
pub(crate) fn steps_message(steps: &Steps) -> Option<pb::Steps> {
    let message = pb::Steps { pre_deploy: steps.pre_deploy.clone(), post_deploy: steps.post_deploy.clone() };
    (!steps.is_empty()).then_some(message)
}

/// Spells what became of a machine's step.
pub(crate) fn record(record: &Record) -> pb::StepRecord {
    pb::StepRecord {
        name: record.name.clone(),
        when: record.when.as_str().to_owned(),
        words: record.words(),
        outputs: values::message(&record.outputs),
    }
}

/// What became of a machine's step, as evidence of its explanation.
pub(crate) fn evidence(record: &Record) -> pb::Evidence {
    let last = record.attempts.last();
    let at = last.map(|last| last.ended.as_ref().map_or(last.began, |ended| ended.at));
    pb::Evidence {
        source: "step".into(),
        at: at.map(object::timestamp),
        text: format!("{} ({}): {}", record.name, record.when.as_str(), record.words()),
    }
}
