//! `underlay_step` to the API and back.

use std::{collections::BTreeMap, time::Duration};

use tfplugin::{Attr, Diagnostic, timeouts::parse_duration};
use underlay_proto::v1 as pb;

use super::model::{Declaration, Model, Retry, Webhook};
use crate::{
    client::Client,
    planned::Planned,
    resources::object::{Mirror, fields},
    values,
    written::{Fit, Unfit, duration, entries, nested, plain, seen_map, seen_number, seen_text, settled},
};

impl Mirror for Model {
    type Noun = pb::Step;
    const WAIT: Duration = Duration::from_secs(2 * 60);
    const DELETE: Duration = Duration::from_secs(5 * 60);

    fields!(id);

    fn reopen(&mut self) {
        self.phase = Attr::Unknown;
    }

    fn put(
        client: &Client,
        plan: &Self,
        _config: &Self,
        _prior: Option<&Self>,
        options: pb::PutOptions,
    ) -> Fit<pb::PutStepRequest> {
        let key = client.key(plan.name.require()?);
        let spec = pb::StepSpec {
            work: nested(&plan.webhook, webhook)?,
            inputs: entries(&plan.inputs, declaration)?,
            values: values::values("values", &plan.values)?,
            outputs: entries(&plan.outputs, declaration)?,
            timeout_seconds: seconds("timeout", &plan.timeout)?,
            retry: nested(&plan.retry, retry)?,
            on_failure: plain(&plan.on_failure)?,
        };
        Ok(pb::PutStepRequest { key: Some(key), spec: Some(spec), options: Some(options) })
    }

    fn foretell(planned: &Planned, put: &pb::PutStepRequest) {
        if let (Some(key), Some(spec)) = (&put.key, &put.spec) {
            planned.step(&key.name, spec.clone());
        }
    }

    fn read(prior: &Self, step: &pb::Step) -> Self {
        let meta = step.meta.clone().unwrap_or_default();
        let spec = step.spec.clone().unwrap_or_default();
        let retry = spec.retry.unwrap_or_default();
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            webhook: spec.work.as_ref().map(seen_webhook).into(),
            inputs: seen_declarations(&prior.inputs, &spec.inputs),
            values: values::seen_values(&prior.values, &spec.values),
            outputs: seen_declarations(&prior.outputs, &spec.outputs),
            timeout: seen_seconds(&prior.timeout, spec.timeout_seconds),
            retry: seen_retry(&prior.retry, &retry),
            on_failure: seen_text(&spec.on_failure),
            phase: step.standing.clone().unwrap_or_default().phase.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, step: &pb::Step) -> Self {
        let fresh = Self::read(plan, step);
        let phase = settled(&plan.phase, fresh.phase);
        Self { id: fresh.id, incarnation: fresh.incarnation, phase, ..plan.clone() }
    }
}

fn webhook(written: &Webhook) -> Fit<pb::step_spec::Work> {
    let (url, credential) = (plain(&written.url)?, plain(&written.credential)?);
    Ok(pb::step_spec::Work::Webhook(pb::Webhook { url, credential }))
}

fn seen_webhook(work: &pb::step_spec::Work) -> Webhook {
    match work {
        pb::step_spec::Work::Webhook(webhook) => {
            Webhook { url: seen_text(&webhook.url), credential: seen_text(&webhook.credential) }
        }
    }
}

fn declaration(written: &Declaration) -> Fit<pb::Declaration> {
    Ok(pb::Declaration {
        r#type: plain(&written.ty)?,
        required: plain(&written.required)?,
        secret: false,
        description: plain(&written.description)?,
    })
}

fn seen_declarations(
    prior: &Attr<BTreeMap<String, Declaration>>,
    seen: &std::collections::HashMap<String, pb::Declaration>,
) -> Attr<BTreeMap<String, Declaration>> {
    let before = prior.get().cloned().unwrap_or_default();
    let seen = seen.iter().map(|(name, seen)| (name.clone(), seen_declaration(before.get(name), seen)));
    seen_map(prior, seen.collect())
}

fn seen_declaration(written: Option<&Declaration>, seen: &pb::Declaration) -> Declaration {
    let before = written.cloned().unwrap_or_default();
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    Declaration {
        ty: if bare(before.ty.as_str()) == bare(&seen.r#type) { before.ty } else { seen_text(&seen.r#type) },
        required: seen_number(&before.required, seen.required),
        description: seen_text(&seen.description),
    }
}

fn retry(written: &Retry) -> Fit<pb::StepRetry> {
    Ok(pb::StepRetry {
        attempts: u32::try_from(plain(&written.attempts)?).unwrap_or(u32::MAX),
        backoff_seconds: Some(seconds("retry.backoff", &written.backoff)?),
    })
}

/// Left out, it is the default.
fn seen_retry(prior: &Attr<Retry>, seen: &pb::StepRetry) -> Attr<Retry> {
    let pause = seen.backoff_seconds.unwrap_or(10);
    if prior.is_null() && seen.attempts <= 1 && pause == 10 {
        return Attr::Null;
    }
    let before = prior.get().cloned().unwrap_or_default();
    Retry { attempts: i64::from(seen.attempts).into(), backoff: seen_seconds(&before.backoff, pause) }.into()
}

fn seconds(at: &str, written: &Attr<String>) -> Fit<u64> {
    let text = plain(written)?;
    let whole = parse_duration(&text).filter(|time| time.subsec_nanos() == 0);
    whole.map(|time| time.as_secs()).ok_or_else(|| {
        let summary = format!("Invalid value for {at}");
        let detail = format!("{text:?} is no whole number of seconds; write it as 90s, 10m or 1h");
        Unfit::Wrong(Diagnostic::error(summary, detail).at(at))
    })
}

fn seen_seconds(prior: &Attr<String>, seen: u64) -> Attr<String> {
    let seen = Duration::from_secs(seen);
    match prior.get().and_then(|text| parse_duration(text)) {
        Some(written) if written == seen => prior.clone(),
        _ if seen.is_zero() => "0s".into(),
        _ => duration(seen).into(),
    }
}
