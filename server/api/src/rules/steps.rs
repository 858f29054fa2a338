//! The steps of a machine at plan time: whether what goes into them is there, and when a change of them takes effect.

use std::collections::BTreeSet;

use underlay_core::{
    FieldError, Key, Kind, Object,
    host::Host,
    machine::{Aspect, Deployed, Spec},
    pool::Pool,
    profile::Resolved,
    step::{self, Step, Steps, When},
};

use super::Assessment;
use crate::{context::Context, errors::Error};

/// Judges the steps that the machine and the pool of its host name.
pub(super) async fn judge(
    context: &Context,
    (key, spec): (&Key, &Spec),
    host: Option<&Object<Host>>,
    attributes: &Resolved,
    assessment: &mut Assessment,
) -> Result<(), Error> {
    let (of_pool, pool_key) = of_pool(context, (key, spec), host).await?;
    let (mut promised, mut is_known) = (BTreeSet::new(), true);
    for when in [When::PreDeploy, When::PostDeploy] {
        let inherited = of_pool.at(when).iter().map(|name| (&pool_key, name, None));
        let own = spec.steps.at(when).iter().enumerate().map(|(at, name)| (key, name, Some(at)));
        let named: Vec<_> =
            inherited.chain(own).map(|(key, name, at)| (key.clone(), name.clone(), at)).collect();
        for (key, name, at) in named {
            // One that is not there is said elsewhere; what it would give is not known.
            let Some(step) = definition(context, &key, &name).await? else {
                is_known = false;
                continue;
            };
            if let Some(lack) = step::lacks(&step, attributes, &promised).filter(|_| is_known) {
                let at = at.map(|at| format!(".{at}")).unwrap_or_default();
                let place = format!("steps.{}{at}", when.as_str());
                assessment.errors.push(FieldError::new(place, format!("step {name}: {lack}")));
            }
            promised.extend(step.outputs.into_keys());
        }
    }
    Ok(())
}

/// Says when a change of the steps of a machine that is deployed takes effect.
pub(super) fn announce(spec: &Spec, deployed: Option<&Deployed>, assessment: &mut Assessment) {
    let Some(deployed) = deployed else { return };
    if assessment.disruption == underlay_core::machine::Disruption::None && deployed.lacks_steps_of(spec) {
        let message =
            "these steps are done on the machine as it runs, when this is applied; nothing is re-imaged";
        assessment.warnings.push(FieldError::new("steps.post_deploy", message));
    }
    if assessment.pending.contains(&Aspect::PreDeploy) {
        let message = "these steps are done before the next deployment; this change itself causes none";
        assessment.warnings.push(FieldError::new("steps.pre_deploy", message));
    }
}

async fn definition(context: &Context, key: &Key, name: &str) -> Result<Option<step::Spec>, Error> {
    if let Some(planned) = context.planned.step(name) {
        return Ok(Some(planned.clone()));
    }
    let found = context.store.resolve(key, Kind::Step, name).await?;
    Ok(found.map(|record| record.raw.decode::<Step>()).transpose()?.map(|step| step.spec))
}

/// Which steps the pool of the machine's host names, as it will be after the plan that asks, and from where they are named.
async fn of_pool(
    context: &Context,
    (key, spec): (&Key, &Spec),
    host: Option<&Object<Host>>,
) -> Result<(Steps, Key), Error> {
    let stored = host.filter(|_| spec.require.is_none()).map(|host| (&host.meta.key, &host.spec.pool));
    let Some((from, name)) = context.planned.pool(spec).map(|name| (key, name)).or(stored) else {
        return Ok((Steps::default(), key.clone()));
    };
    let found = context.store.resolve(from, Kind::Pool, name).await?;
    let found = found.map(|record| record.raw.decode::<Pool>()).transpose()?;
    let (present, key) = match found {
        Some(pool) => (pool.spec.steps, pool.meta.key),
        None => (Steps::default(), key.clone()),
    };
    Ok((context.planned.steps_of(name).cloned().unwrap_or(present), key))
}
