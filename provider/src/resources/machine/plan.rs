//! What a plan says of a machine: the disruption, the fence, and what waits.
//!
//! All of it comes from the server's Preview. Invariant: a machine that does not change keeps every computed value, so that
//! a second plan is empty.

use tfplugin::{Attr, Context, Diagnostics, resource::Plan};
use underlay_proto::v1 as pb;

use super::model::Model;
use crate::{
    client::{Client, Session},
    errors::paragraphs,
    planned::Lenders,
    reads,
    resources::{object, step},
};

pub(super) async fn modify(cx: &mut Context<Session>, plan: &mut Plan<Model>) -> Result<(), Diagnostics> {
    if plan.config.hostname.is_null() {
        plan.planned.hostname = plan.planned.name.clone();
    }
    let is_create = plan.prior.is_none();
    let rivals = claimed(cx, plan).await;
    let image = plan.planned.image.as_str().split('@').next().unwrap_or_default().to_owned();
    let host = plan.planned.host.as_str().to_owned();
    let pool = plan.config.require.get().map(|require| require.pool.as_str().to_owned()).unwrap_or_default();
    let profiles = plan.planned.profiles.get().cloned().unwrap_or_default();
    let named_host = plan.config.host.get().cloned().unwrap_or_default();
    let (pool_name, host_name) = (pool.clone(), named_host);
    let steps = step::names(&plan.planned.steps);
    let lenders = Lenders { profiles: &profiles, pool: &pool_name, host: &host_name, steps: &steps };
    let preview = object::plan(cx, plan, |client, objection| {
        let is_made_before = client.planned.has("host", &host) || client.planned.has("image", &image);
        match objection.attribute.as_str() {
            // Judged by a host and an image as they are now, not as this plan makes them.
            "host" | "image" | "root" | "network" if is_made_before => true,
            "host" => rivals.is_some(),
            // The hosts may come with this plan.
            "require" => client.planned.has_any("host"),
            "require.pool" => client.planned.has("pool", &pool),
            // Judged by what is there now, where what comes with this plan is not known yet.
            "values" | "secret_values_wo" => client.planned.is_vague(lenders),
            attribute if attribute.starts_with("profiles") => client.planned.is_vague(lenders),
            attribute if attribute.starts_with("steps") => client.planned.is_vague(lenders),
            // What is created disrupts nothing; if something is in the way, the Put says so.
            "allow_disruption" => is_create,
            _ => false,
        }
    });
    let preview = preview.await?;
    if let Some(rival) = &rivals
        && preview
            .as_ref()
            .is_some_and(|preview| preview.errors.iter().any(|error| error.attribute == "host"))
    {
        let summary =
            format!("machine {}: host {host} is claimed by machine {rival}", plan.planned.name.as_str());
        cx.warn(
            summary,
            "The apply is refused unless that machine is destroyed before, as it may be in this plan.",
        );
    }
    if let Some(preview) = preview {
        tell(cx, plan, &preview);
    }
    Ok(())
}

/// The other machine that has the host, where that is why the plan could be refused.
async fn claimed(cx: &Context<Session>, plan: &Plan<Model>) -> Option<String> {
    if plan.prior.is_some() {
        return None;
    }
    let session = cx.data().ok()?;
    let client = session.known()?;
    let holder = holder(client, plan.planned.host.get()?).await?;
    (holder != plan.planned.name.as_str()).then_some(holder)
}

async fn holder(client: &Client, host: &str) -> Option<String> {
    let selector = match host.split_once('/') {
        Some((owner, name)) => {
            let key = pb::Key { owner: owner.to_owned(), ..client.key(name) };
            pb::Selector { by: Some(pb::selector::By::Key(key)) }
        }
        None => client.by_name(host),
    };
    let request = pb::GetRequest { selector: Some(selector), incarnation: String::new() };
    let host: pb::Host = reads::read(client, request).await.ok()??;
    host.status.map(|status| status.machine).filter(|machine| !machine.is_empty())
}

/// Puts the server's answer into the plan.
fn tell(cx: &mut Context<Session>, plan: &mut Plan<Model>, preview: &pb::Preview) {
    let name = plan.planned.name.as_str().to_owned();
    let Some(prior) = &plan.prior else {
        plan.planned.disruption = "none".into();
        return;
    };
    let disruption = preview.disruption.as_str();
    plan.planned.disruption = disruption.into();
    if prior.name != plan.planned.name {
        let text = paragraphs(&[
            "A new name makes it another machine: this one is destroyed and its host released, and the new one is installed from nothing",
            "To keep what is on its disks, keep the name; hostname is what the installed system calls itself",
        ]);
        cx.warn(
            format!("{} will be replaced by {name}: its root disk will be erased", prior.name.as_str()),
            text,
        );
    }
    if disruption == "none" && prior.phase.as_str() == "ready" {
        keep_facts(&mut plan.planned, prior);
    }
    if let Some((what, detail)) = consequence(disruption) {
        cx.warn(format!("{name} {what}"), paragraphs(&[detail, &because(prior, &plan.planned)]));
    }
    if !preview.pending.is_empty() {
        let text = format!(
            "It stays as it was deployed until redeploy.generation is raised, which erases the root disk. What waits: {}.",
            preview.pending.join(", ")
        );
        cx.warn(format!("{name}: {} will wait", preview.pending.join(", ")), text);
    }
}

/// A change that disrupts nothing leaves what is known of the running system known.
fn keep_facts(planned: &mut Model, prior: &Model) {
    fn keep<T: Clone>(planned: &mut Attr<T>, prior: &Attr<T>) {
        if planned.is_unknown() {
            *planned = prior.clone();
        }
    }
    keep(&mut planned.address, &prior.address);
    keep(&mut planned.forwards, &prior.forwards);
    keep(&mut planned.ssh_host_keys, &prior.ssh_host_keys);
}

/// What a disruption means to the machine, and to its data.
fn consequence(disruption: &str) -> Option<(&'static str, &'static str)> {
    Some(match disruption {
        "none" | "" => return None,
        "reboot" => ("will be restarted", "It is away for some minutes; nothing is erased"),
        "erase_root" => (
            "will be re-imaged in place: root disk erased, data disks kept",
            "Everything on its root disk is lost once the new image is staged and verified",
        ),
        "erase_all" => (
            "will be re-imaged in place: root disk erased, and every volume that is not preserved",
            "Everything on its root disk, and on volumes with preserve = false, is lost once the new image is staged and \
             verified",
        ),
        "move" => ("will be moved to another host", "What is on the disks of the old host stays there"),
        _ => ("will be disrupted", "This provider is older than the server and does not know how"),
    })
}

fn because(prior: &Model, planned: &Model) -> String {
    if prior.image == planned.image {
        return String::new();
    }
    format!("image: {} becomes {}", prior.image.as_str(), planned.image.as_str())
}
