//! The rules of profiles: who uses one is told in the plan of whoever changes it, since the machines' own plans come too late.

use std::sync::Arc;

use async_trait::async_trait;
use underlay_core::{
    FieldError, Key, Kind, Object,
    host::Host,
    machine::{Aspect, Machine},
    profile::{Profile, SecretValues, Spec},
};

use super::{Assessment, Planned, Rules, references};
use crate::{context::Context, errors::Error};

/// The most machines that are looked at: a warning needs no more, and a plan is waited for.
const LOOKED_AT: usize = 200;
/// The most that are named.
const NAMED: usize = 5;

#[async_trait]
impl Rules for Profile {
    fn secret_values(spec: &mut Spec) -> Option<&mut Option<SecretValues>> {
        Some(&mut spec.secret_values)
    }

    async fn assess(
        context: &Context,
        key: &Key,
        spec: &Spec,
        existing: Option<&Object<Profile>>,
    ) -> Result<Assessment, Error> {
        let mut assessment = Assessment {
            errors: references::missing::<Profile>(context, key, spec).await?,
            ..Assessment::default()
        };
        if let Some(existing) = existing.filter(|existing| existing.spec != *spec) {
            assessment.warnings = consequences(context, existing, spec).await?;
        }
        Ok(assessment)
    }
}

/// Which machines keep what they were deployed with, and which could not be deployed again.
async fn consequences(
    context: &Context,
    existing: &Object<Profile>,
    spec: &Spec,
) -> Result<Vec<FieldError>, Error> {
    let planned = Arc::new(Planned::profile(&existing.meta.key, spec));
    let after = Context { planned, ..context.clone() };
    let (mut waiting, mut unfit) = (Vec::new(), Vec::new());
    let users = references::users(context, &existing.meta, LOOKED_AT).await?;
    let partly = if users.len() == LOOKED_AT {
        format!(" (of the first {LOOKED_AT} that use it)")
    } else {
        String::new()
    };
    for (record, _) in users {
        if record.raw.meta.kind != Kind::Machine {
            continue;
        }
        let machine = record.raw.decode::<Machine>()?;
        let Some(deployed) = machine.state.deployed().or(machine.status.deployed.as_ref()) else { continue };
        let host = context.store.get(deployed.host).await?;
        let host = host.map(|host| host.raw.decode::<Host>()).transpose()?;
        let inheritance = after.inheritance(&machine.meta.key, &machine.spec, host.as_ref()).await?;
        let name = machine.meta.key.name.to_string();
        if let Some(fault) = inheritance.resolve(&machine.spec).1.first() {
            unfit.push(format!("{name} ({fault})"));
        } else if inheritance.digest(&machine.spec).as_ref() != deployed.digests.get(&Aspect::Values) {
            waiting.push(name);
        }
    }
    let mut warnings = Vec::new();
    let mut warn = |names: &[String], what: &str| {
        if let Some(named) = named(names) {
            warnings.push(FieldError::new("values", format!("{what}{partly}: {named}")));
        }
    };
    warn(
        &waiting,
        "these machines keep what they were deployed with until their redeploy.generation is raised",
    );
    warn(&unfit, "these machines could not be deployed again as they are written");
    Ok(warnings)
}

fn named(names: &[String]) -> Option<String> {
    let shown = names.get(..NAMED).unwrap_or(names).join(", ");
    match names.len() {
        0 => None,
        number if number > NAMED => Some(format!("{shown} and {} more", number - NAMED)),
        _ => Some(shown),
    }
}
