//! What an operator says of a pool.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Trust,
    bind::{self, Rule},
};
use crate::{
    FieldError, Reference,
    cleaning::Policy,
    profile::{Values, validate_values},
    step::Steps,
};

/// How often a machine that was never ready is put onto another host, where nothing is said.
const REPLACEMENTS: u32 = 2;

/// Desired state of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// How many of its machines may be disturbed at once, across every apply; left out: as many as are asked for.
    pub max_disrupted: Option<Limit>,
    /// How many other hosts are tried for a machine that was never ready, when the host is at fault.
    pub replacements: u32,
    /// Values of attributes, for every machine on its hosts whose profiles declare them.
    #[serde(skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// Which machines that nobody enrolled become hosts of it, the first rule that fits first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<Rule>,
    /// What a freshly booted agent on its hosts may be given, and why.
    #[serde(skip_serializing_if = "Trust::is_segment")]
    pub trust: Trust,
    /// What is done for every machine on its hosts, before what the machine itself names.
    #[serde(skip_serializing_if = "Steps::is_empty")]
    pub steps: Steps,
    /// How the disks of its hosts are wiped when a machine lets go of one.
    #[serde(skip_serializing_if = "Policy::is_none")]
    pub clean: Policy,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            max_disrupted: None,
            replacements: REPLACEMENTS,
            values: Values::new(),
            bind: Vec::new(),
            trust: Trust::default(),
            steps: Steps::default(),
            clean: Policy::None,
        }
    }
}

/// So many, or so many of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A number of machines.
    Count(u32),
    /// Percent of the pool's machines, rounded down, and never less than one.
    Percent(u32),
}

/// The text is not a limit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is neither a number nor a percentage; write 2 or \"10%\"")]
pub struct LimitError(String);

impl Limit {
    /// The number of machines this means in a pool that has `machines`.
    pub fn of(self, machines: usize) -> usize {
        match self {
            Limit::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Limit::Percent(percent) => {
                let share = machines.saturating_mul(usize::try_from(percent).unwrap_or(100)) / 100;
                share.max(1)
            }
        }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let error = || LimitError(text.chars().take(20).collect());
        match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse().map(Limit::Percent).map_err(|_| error()),
            None => text.trim().parse().map(Limit::Count).map_err(|_| error()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Count(count) => write!(f, "{count}"),
            Limit::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl crate::Spec for Spec {
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if let Some(Limit::Count(0) | Limit::Percent(0 | 101..)) = self.max_disrupted {
            errors.push(FieldError::new(
                "max_disrupted",
                "use a number from 1, or \"1%\" to \"100%\"; to stop every disruption freeze the pool",
            ));
        }
        if self.replacements > 100 {
            errors.push(FieldError::new("replacements", "use at most 100"));
        }
        validate_values(&self.values, &mut errors);
        bind::validate(&self.bind, &mut errors);
        self.steps.validate(&mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn references(&self) -> Vec<Reference> {
        self.steps.references().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spec as _;

    #[test]
    fn a_share_is_rounded_down_and_never_nothing() {
        assert_eq!(Limit::Percent(10).of(40), 4);
        assert_eq!(Limit::Percent(10).of(39), 3);
        assert_eq!(Limit::Percent(10).of(3), 1);
        assert_eq!(Limit::Percent(10).of(0), 1);
        assert_eq!(Limit::Count(7).of(3), 7);
    }

    #[test]
    fn limits_read_as_they_print_and_nonsense_is_refused() {
        for text in ["3", "10%", "100%"] {
            assert_eq!(text.parse::<Limit>().expect("a limit").to_string(), text);
        }
        for text in ["", "%", "-1", "10 percent", "1.5"] {
            text.parse::<Limit>().expect_err(text);
        }
        for limit in [Limit::Count(0), Limit::Percent(0), Limit::Percent(101)] {
            Spec { max_disrupted: Some(limit), ..Spec::default() }.validate().expect_err("no such limit");
        }
    }
}
