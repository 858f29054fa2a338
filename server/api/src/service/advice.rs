//! What to do next, as exact commands and lines, most useful first. Pure: it reads what Explain has gathered.

use underlay_core::{
    Kind, Object,
    host::{self, Host},
    machine::{Machine, State},
    observation::{Observation, Source},
};
use underlay_store::Record;

use crate::errors::Error;

/// What to do about `record`, seen beside the objects it has to do with and what was observed.
pub(super) fn advice(
    record: &Record,
    related: &[&Record],
    seen: &[Observation],
) -> Result<Vec<String>, Error> {
    let mut advice = Vec::new();
    let meta = &record.raw.meta;
    if meta.purged_at.is_some() {
        return Ok(vec![format!(
            "It is gone. To have it again, put it into a plan: terraform apply ({})",
            meta.kind
        )]);
    }
    if let Some(brake) = &record.raw.progress.held {
        return Ok(vec![
            format!("Its work is {brake}"),
            "Until then nothing is switched or written, and no deadline runs".into(),
        ]);
    }
    let failure = record.raw.progress.failure.as_ref();
    if let Some(failure) = failure.filter(|failure| !failure.next.is_empty()) {
        advice.push(failure.next.clone());
    }
    for other in related {
        if let Some(failure) = &other.raw.progress.failure {
            let meta = &other.raw.meta;
            advice.push(format!(
                "{} {} has failed ({}); see underlay explain {}/{}",
                meta.kind, meta.key.name, failure.why, meta.kind, meta.key.name
            ));
        }
    }
    match meta.kind {
        Kind::Machine => machine(&record.raw.clone().decode()?, related, seen, &mut advice),
        Kind::Host => host(&record.raw.clone().decode()?, &mut advice),
        Kind::Image if record.phase == "failed" => {
            advice.push("Correct source.url or source.sha256, then run: terraform apply".into());
        }
        Kind::Site
        | Kind::Pool
        | Kind::Image
        | Kind::Network
        | Kind::Credential
        | Kind::Profile
        | Kind::Step => {}
    }
    if let Some(waiting) = record.raw.progress.waiting_for.as_ref().filter(|_| advice.is_empty()) {
        advice.push(format!("Nothing; it waits for {waiting}. To follow it: {}", follow(meta)));
    }
    if advice.is_empty() && !record.is_at_rest() {
        advice.push(format!("Nothing; work is under way. To follow it: {}", follow(meta)));
    }
    if advice.is_empty() {
        advice.push("Nothing; it is as it should be".into());
    }
    Ok(advice)
}

fn follow(meta: &underlay_core::Meta) -> String {
    format!("underlay watch {}/{}", meta.kind, meta.key.name)
}

fn machine(machine: &Object<Machine>, related: &[&Record], seen: &[Observation], advice: &mut Vec<String>) {
    let name = &machine.meta.key.name;
    let host = related.iter().find(|other| other.raw.meta.kind == Kind::Host);
    let wanted = machine.spec.host.as_deref().unwrap_or_default();
    let host_name = host.map_or(wanted, |host| host.raw.meta.key.name.as_str());
    match &machine.state {
        State::Failed { deployed, .. } => {
            advice.push("When that is done run: terraform apply (it tries again in place)".into());
            if deployed.is_some() {
                advice.push("What ran before is still on the disk; nothing was erased".into());
            }
        }
        State::Pending if host.is_none() && machine.spec.require.is_some() => {
            advice.push(
                "Add hosts to the pool, free one, or ask for less in require: underlay get hosts".into(),
            );
        }
        State::Pending if host.is_none() => {
            advice.push(format!("There is no host {wanted}: create underlay_host.{wanted}, or correct host"));
        }
        State::Booting { .. } => {
            let heard = seen.iter().find(|seen| seen.source == Source::Boot);
            advice.push(match heard {
                Some(_) => format!("The host was heard on the network; look at its console: underlay explain host/{host_name}"),
                None => format!(
                    "The host was not heard on the network yet: check its cable, its boot order and identity.boot_mac \
                     of underlay_host.{host_name}"
                ),
            });
        }
        State::PreDeploy { course, .. } | State::PostDeploy { course, .. } => {
            let step = course.present().map(|step| step.name.as_str()).unwrap_or_default();
            advice.push(format!("Step {step} is under way; what it says: underlay logs machine/{name}"));
        }
        State::Starting { .. } => {
            advice.push(format!(
                "The installed system has not called home yet: look at the console of host {host_name}, and whether \
                 the image has cloud-init"
            ));
        }
        _ => {}
    }
    if !machine.status.pending.is_empty() {
        let pending: Vec<_> = machine.status.pending.iter().map(|aspect| aspect.as_str()).collect();
        advice.push(format!(
            "{} of {name} wait to be taken in; this erases the root disk: raise redeploy.generation and write \
             allow_disruption = \"erase_root\"",
            pending.join(", ")
        ));
    }
}

fn host(host: &Object<Host>, advice: &mut Vec<String>) {
    let name = &host.meta.key.name;
    if let host::State::Quarantined { failure, .. } = &host.state {
        advice.push(format!("It was set aside because {}; repair that", failure.why));
        advice.push(format!("Then clear it: underlay host clear {name}"));
        advice.push(format!("Or have it cleaned and looked at first: underlay host repair {name}"));
    }
    for condition in host.status.conditions.iter().filter(|it| it.health == host::Health::Bad) {
        match condition.name.as_str() {
            "Reachable" => advice.push(format!(
                "Its driver does not answer ({}): check its address, its credential and the network between",
                condition.reason
            )),
            "Intruder" => advice.push(format!(
                "Somebody else on its network tried to be this host ({}): find out who before it is used again",
                condition.reason
            )),
            "DisksHealthy" => advice.push(format!(
                "A disk of it fails ({}): copy what is on it while that can be read, and replace it",
                condition.reason
            )),
            _ => {}
        }
    }
}
