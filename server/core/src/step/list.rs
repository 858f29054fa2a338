//! Which steps a pool or a machine names, in order.

use serde::{Deserialize, Serialize};

use crate::{FieldError, Kind, Reference};

/// The most steps of one list.
const MOST: usize = 16;

/// Steps by name, in the order in which they are done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Once the agent is up in the host's RAM, before anything is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_deploy: Vec<String>,
    /// Once the installed system is up, before the machine counts as ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_deploy: Vec<String>,
}

/// When a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before anything is written.
    PreDeploy,
    /// Once the installed system is up.
    PostDeploy,
}

impl When {
    /// The word used in HCL.
    pub fn as_str(self) -> &'static str {
        match self {
            When::PreDeploy => "pre_deploy",
            When::PostDeploy => "post_deploy",
        }
    }
}

impl Steps {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.pre_deploy.is_empty() && self.post_deploy.is_empty()
    }

    /// Those that are done then.
    pub fn at(&self, when: When) -> &[String] {
        match when {
            When::PreDeploy => &self.pre_deploy,
            When::PostDeploy => &self.post_deploy,
        }
    }

    /// Adds what is wrong with them.
    pub(crate) fn validate(&self, errors: &mut Vec<FieldError>) {
        for when in [When::PreDeploy, When::PostDeploy] {
            let (attribute, names) = (format!("steps.{}", when.as_str()), self.at(when));
            if names.len() > MOST {
                errors.push(FieldError::new(&attribute, format!("has more than {MOST} entries")));
            }
            for (at, name) in names.iter().enumerate() {
                if names.iter().take(at).any(|earlier| earlier == name) {
                    let message = format!("names {name:?} a second time");
                    errors.push(FieldError::new(format!("{attribute}.{at}"), message));
                }
            }
        }
    }

    /// What they name.
    pub(crate) fn references(&self) -> impl Iterator<Item = Reference> + '_ {
        [When::PreDeploy, When::PostDeploy].into_iter().flat_map(move |when| {
            let place = move |at| format!("steps.{}.{at}", when.as_str());
            let names = self.at(when).iter().enumerate();
            names.map(move |(at, name)| Reference::new(Kind::Step, name, place(at)))
        })
    }
}
