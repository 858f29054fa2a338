//! `underlay_pool` to the API and back.

use std::time::Duration;

use tfplugin::Attr;
use underlay_proto::v1 as pb;

use super::{bind, model::Model};
use crate::{
    client::Client,
    planned::Planned,
    resources::{
        object::{Mirror, fields},
        step,
    },
    values,
    written::{Fit, plain, seen_text, settled},
};

impl Mirror for Model {
    type Noun = pb::Pool;
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
    ) -> Fit<pb::PutPoolRequest> {
        let key = client.key(plan.name.require()?);
        let spec = pb::PoolSpec {
            max_disrupted: plain(&plan.max_disrupted)?,
            replacements: u32::try_from(plain(&plan.replacements)?).ok(),
            values: values::values("values", &plan.values)?,
            bind: bind::rules(&plan.bind)?,
            trust: plain(&plan.trust)?,
            steps: step::message(&plan.steps)?,
            clean: plain(&plan.clean)?,
        };
        Ok(pb::PutPoolRequest { key: Some(key), spec: Some(spec), options: Some(options) })
    }

    fn foretell(planned: &Planned, put: &pb::PutPoolRequest) {
        if let (Some(key), Some(spec)) = (&put.key, &put.spec) {
            planned.pool(&key.name, spec.clone());
        }
    }

    fn read(prior: &Self, pool: &pb::Pool) -> Self {
        let meta = pool.meta.clone().unwrap_or_default();
        let spec = pool.spec.clone().unwrap_or_default();
        Self {
            id: meta.id.into(),
            incarnation: meta.incarnation.into(),
            name: meta.key.map(|key| key.name).into(),
            max_disrupted: seen_limit(&prior.max_disrupted, &spec.max_disrupted),
            replacements: spec.replacements.map(i64::from).into(),
            values: values::seen_values(&prior.values, &spec.values),
            bind: bind::seen_rules(&prior.bind, &spec.bind),
            trust: Attr::Value(if spec.trust.is_empty() { "segment".into() } else { spec.trust }),
            steps: step::seen(&prior.steps, spec.steps),
            clean: Attr::Value(if spec.clean.is_empty() { "none".to_owned() } else { spec.clean }),
            phase: pool.standing.clone().unwrap_or_default().phase.into(),
            timeouts: prior.timeouts.clone(),
        }
    }

    fn applied(plan: &Self, pool: &pb::Pool) -> Self {
        let fresh = Self::read(plan, pool);
        let phase = settled(&plan.phase, fresh.phase);
        Self { id: fresh.id, incarnation: fresh.incarnation, phase, ..plan.clone() }
    }
}

/// "10 %" is "10%".
fn seen_limit(prior: &Attr<String>, seen: &str) -> Attr<String> {
    let bare = |text: &String| text.split_whitespace().collect::<String>();
    if prior.get().map(bare).as_deref() == Some(seen) { prior.clone() } else { seen_text(seen) }
}
