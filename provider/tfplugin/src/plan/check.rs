//! Runs the validators of a schema over a configuration.

use super::walk::{Descend, walk};
use crate::{
    Diagnostic, Diagnostics,
    cty::{Path, Value},
    schema::Block,
};

/// What the validators of single attributes find in a configuration. Null and unknown values are not checked.
pub(crate) fn validate(block: &Block, config: &Value) -> Diagnostics {
    let mut found = Diagnostics::new();
    // The walk wants something to change; a configuration is only read, so it gets a copy.
    let mut copy = config.clone();
    walk(block.attributes(), config, None, &mut copy, &Path::root(), &mut |visit| {
        if visit.config.is_null() || visit.config.is_unknown() {
            return Descend::No;
        }
        for validator in visit.attribute.validators() {
            if let Err(problem) = validator(visit.config, visit.at) {
                let summary = format!("Invalid value for {}", visit.at);
                found.push(
                    Diagnostic::error(summary, format!("{}: {problem}.", visit.at)).at(visit.at.clone()),
                );
            }
        }
        if let Some(instead) = visit.attribute.deprecation() {
            let summary = format!("{} is deprecated", visit.at);
            found.push(Diagnostic::warning(summary, instead).at(visit.at.clone()));
        }
        Descend::Yes
    });
    found
}
