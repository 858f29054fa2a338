//! Pool on the wire, both ways.

use underlay_core::{
    Bytes, FieldError, Object,
    cleaning::Policy,
    pool::{
        Pool, Spec, Trust,
        bind::{Match, Rule},
    },
};
use underlay_proto::v1 as pb;

use super::{faults::Faults, object, step, values};

/// Reads a spec.
///
/// # Errors
/// Every fault, at its attribute.
pub(crate) fn spec(message: pb::PoolSpec) -> Result<Spec, Vec<FieldError>> {
    let mut faults = Faults::default();
    let max_disrupted = faults.parse_optional("max_disrupted", &message.max_disrupted);
    let replacements = message.replacements.unwrap_or(Spec::default().replacements);
    let values = values::values(&mut faults, "values", message.values);
    let trust = match message.trust.as_str() {
        "" => Trust::default(),
        word => Trust::of(word).unwrap_or_else(|| {
            faults.add("trust", "use \"segment\", \"virtual_media\" or \"tpm\"");
            Trust::default()
        }),
    };
    let rules = faults.list("bind", message.bind).into_iter().enumerate();
    let bind = rules.map(|(at, message)| rule(&mut faults, at, message)).collect();
    let steps = step::steps(&mut faults, message.steps);
    let clean = faults.word("clean", &message.clean, &Policy::WORDS, Policy::None);
    faults.into_result(Some(Spec { max_disrupted, replacements, values, bind, trust, clean, steps }))
}

fn rule(faults: &mut Faults, at: usize, message: pb::BindRule) -> Rule {
    let place = |name: &str| format!("bind.{at}.{name}");
    let wants = message.r#match.unwrap_or_default();
    let mut text = |name: &str, text: String| faults.optional(&place(&format!("match.{name}")), text);
    let wants = Match {
        network: text("network", wants.network),
        vendor: text("vendor", wants.vendor),
        product: text("product", wants.product),
        serial: text("serial", wants.serial),
        mac: text("mac", wants.mac),
        arch: text("arch", wants.arch),
        firmware: text("firmware", wants.firmware),
        cpus: wants.cpus,
        memory: wants.memory_bytes.map(Bytes),
        disks: wants.disks,
        gpus: wants.gpus,
    };
    let labels = faults.map(&place("labels"), message.labels).into_iter();
    let labels = labels.map(|(name, value)| {
        let value = faults.text(&place(&format!("labels.{name}")), value, 256);
        (name, value)
    });
    Rule { wants, labels: labels.collect() }
}

fn rule_message(rule: &Rule) -> pb::BindRule {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let wants = &rule.wants;
    pb::BindRule {
        r#match: Some(pb::BindMatch {
            network: text(&wants.network),
            vendor: text(&wants.vendor),
            product: text(&wants.product),
            serial: text(&wants.serial),
            mac: text(&wants.mac),
            arch: text(&wants.arch),
            firmware: text(&wants.firmware),
            cpus: wants.cpus,
            memory_bytes: wants.memory.map(|memory| memory.0),
            disks: wants.disks,
            gpus: wants.gpus,
        }),
        labels: rule.labels.clone().into_iter().collect(),
    }
}

/// Spells a spec.
pub(crate) fn spec_message(spec: &Spec) -> pb::PoolSpec {
    pb::PoolSpec {
        max_disrupted: spec.max_disrupted.map(|limit| limit.to_string()).unwrap_or_default(),
        replacements: Some(spec.replacements),
        values: values::message(&spec.values),
        bind: spec.bind.iter().map(rule_message).collect(),
        trust: if spec.trust.is_segment() { String::new() } else { spec.trust.word().into() },
        steps: step::steps_message(&spec.steps),
        // Left out as it is when nobody writes it.
        clean: Some(spec.clean)
            .filter(|clean| !clean.is_none())
            .map(Policy::word)
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Spells a pool.
pub(crate) fn message(pool: &Object<Pool>) -> pb::Pool {
    let status = &pool.status;
    pb::Pool {
        meta: Some(object::meta(&pool.meta)),
        spec: Some(spec_message(&pool.spec)),
        status: Some(pb::PoolStatus {
            hosts: status.hosts,
            free: status.free,
            claimed: status.claimed,
            quarantined: status.quarantined,
            waiting: status.waiting,
            disrupted: status.disrupted,
        }),
        standing: Some(object::standing(pool)),
    }
}
