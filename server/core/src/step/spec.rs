//! What an operator says of a step.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Webhook, Work};
use crate::{
    FieldError, Kind, Reference,
    profile::{Declaration, Values, check_names, validate_values},
};

/// How long a step may take where nothing is said.
pub const TIMEOUT: Duration = Duration::from_secs(600);
/// The longest that a step may take, and the longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most tries.
const ATTEMPTS: u32 = 20;

/// Desired state of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// By whom it is done.
    pub work: Work,
    /// What goes in, by name: an attribute of the machine, or an output of a step before it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Declaration>,
    /// What goes in where nobody else gives it.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// What comes out, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Declaration>,
    /// How long one try may take, in seconds.
    pub timeout: u64,
    /// How often it is tried.
    #[serde(default)]
    pub retry: Retry,
    /// What becomes of the machine where no try went well.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// How often a step is tried. A try of which nobody knows how it ended counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Tries in all.
    pub attempts: u32,
    /// The pause before the second, in seconds; it doubles with each.
    pub backoff: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, backoff: 10 }
    }
}

impl Retry {
    /// The pause after so many tries.
    pub fn pause(&self, tried: u32) -> Duration {
        let doubled = 1u64.checked_shl(tried.saturating_sub(1)).unwrap_or(u64::MAX);
        Duration::from_secs(self.backoff.saturating_mul(doubled)).min(LONGEST)
    }
}

/// What becomes of the machine where no try went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails, and keeps its host.
    #[default]
    Fail,
    /// It fails, and the host is set aside.
    Quarantine,
    /// It goes on, and the failure is on record.
    Continue,
}

impl Spec {
    /// How long one try may take.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    fn check_values(&self, errors: &mut Vec<FieldError>) {
        for (name, value) in &self.values {
            match self.inputs.get(name).map(|declared| declared.ty.check(value)) {
                None => errors.push(FieldError::new("values", format!("{name:?} is not in inputs"))),
                Some(Err(why)) => errors.push(FieldError::new("values", format!("{name:?} {why}"))),
                Some(Ok(())) => {}
            }
        }
        for (attribute, declared) in [("inputs", &self.inputs), ("outputs", &self.outputs)] {
            check_names(attribute, declared, errors);
            for name in declared.iter().filter(|(_, it)| it.secret).map(|(name, _)| name) {
                let message = format!(
                    "{name:?} is secret, and what goes in and comes out of steps is shown and logged"
                );
                errors.push(FieldError::new(attribute, message));
            }
        }
    }
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        self.work.validate(&mut errors);
        validate_values(&self.values, &mut errors);
        self.check_values(&mut errors);
        if self.timeout == 0 || self.limit() > LONGEST {
            errors.push(FieldError::new("timeout", "use 1 second to 7 days"));
        }
        if !(1..=ATTEMPTS).contains(&self.retry.attempts) {
            errors.push(FieldError::new("retry.attempts", format!("use 1 to {ATTEMPTS}")));
        }
        if self.retry.backoff > LONGEST.as_secs() {
            errors.push(FieldError::new("retry.backoff", "use at most 7 days"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn references(&self) -> Vec<Reference> {
        match &self.work {
            Work::Webhook(Webhook { credential, .. }) => {
                let named = credential.iter();
                named.map(|name| Reference::new(Kind::Credential, name, "webhook.credential")).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Spec as _;

    fn webhook(url: &str) -> Spec {
        Spec {
            work: Work::Webhook(Webhook { url: url.into(), credential: None }),
            inputs: BTreeMap::new(),
            values: Values::new(),
            outputs: BTreeMap::new(),
            timeout: 10,
            retry: Retry::default(),
            on_failure: OnFailure::default(),
        }
    }

    fn faults(spec: &Spec) -> Vec<String> {
        let faults = spec.validate().err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.attribute).collect()
    }

    #[test]
    fn what_cannot_be_done_is_refused_where_it_stands() {
        assert!(faults(&webhook("https://hooks.example/new")).is_empty());
        for url in
            ["", "hooks.example", "ftp://a/b", "https://", "https://me:pw@hooks.example/", "http://a b/"]
        {
            assert_eq!(faults(&webhook(url)), ["webhook.url"], "{url}");
        }
        let retry = Retry { attempts: 0, backoff: 1 };
        assert_eq!(faults(&Spec { retry, ..webhook("https://a/") }), ["retry.attempts"]);
        assert_eq!(faults(&Spec { timeout: 0, ..webhook("https://a/") }), ["timeout"]);
        let values = Values::from([("rack".to_owned(), json!("r1"))]);
        assert_eq!(faults(&Spec { values, ..webhook("https://a/") }), ["values"]);
    }

    #[test]
    fn what_goes_in_has_its_type_and_is_no_secret() {
        let declared = |secret| {
            let ty = "number".parse().expect("a type");
            Declaration { ty, required: false, secret, description: String::new() }
        };
        let mut spec = webhook("https://a/");
        spec.inputs = BTreeMap::from([("rounds".to_owned(), declared(false))]);
        spec.values = Values::from([("rounds".to_owned(), json!(3))]);
        assert!(faults(&spec).is_empty());
        spec.values = Values::from([("rounds".to_owned(), json!("three"))]);
        assert_eq!(faults(&spec), ["values"]);
        spec.values.clear();
        spec.inputs = BTreeMap::from([("rounds".to_owned(), declared(true))]);
        assert_eq!(faults(&spec), ["inputs"]);
    }

    #[test]
    fn the_pause_doubles_and_ends_somewhere() {
        let retry = Retry { attempts: 20, backoff: 10 };
        assert_eq!([1, 2, 3].map(|tried| retry.pause(tried).as_secs()), [10, 20, 40]);
        assert_eq!(retry.pause(200), LONGEST);
    }
}
