//! `underlay_ready`: the gate of a pipeline. Its create waits until machines are ready and fails without a state, so that
//! the apply ends with an error, dependents are not built, and no machine is tainted.
//!
//! Once it stands it is never asked again: what becomes of a machine later is the machine's own affair.

use std::{collections::BTreeMap, time::Duration};

use tfplugin::{
    Attr, Context, Diagnostic, Diagnostics, Resource, Schema, async_trait,
    resource::{Change, New, Outcome},
    schema::validate,
    timeouts::{self, parse_duration},
};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;
use underlay_proto::v1 as pb;
use uuid::Uuid;

use crate::{
    client::{Client, Session},
    errors::{Act, explain, is_unreachable, paragraphs},
    noun::{News, Noun},
    wait, written,
};

/// How long it waits where the configuration does not say.
const WAIT: Duration = Duration::from_secs(90 * 60);
/// Between attempts to reach the server again.
const AGAIN: Duration = Duration::from_secs(1);
/// The most machines that a message describes.
const NAMED: usize = 20;

/// Waits until machines are ready.
///
/// Put what needs them behind it. An apply in which a machine is not ready in time ends with an error, and the next one goes
/// on from where the machines stand.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// Identifier.
    #[tf(computed, keep)]
    pub id: Attr<String>,
    /// The `id` of each machine.
    #[tf(required)]
    pub machines: Attr<Vec<String>>,
    /// How many of them suffice; left out, all.
    #[tf(optional, validate = validate::between(0..=u32::MAX))]
    pub min: Attr<u32>,
    /// How long to wait, such as `30m`; `90m` where it is left out.
    #[tf(optional, validate = timeouts::valid)]
    pub timeout: Attr<String>,
}

/// The resource.
#[derive(Debug, Clone, Copy)]
pub struct Ready;

#[async_trait]
impl Resource for Ready {
    type Data = Session;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "underlay_ready"
    }

    async fn create(&self, cx: &mut Context<Session>, new: New<Model>) -> Outcome<Model> {
        pass(cx, &new.plan).await?;
        Ok(Model { id: Uuid::new_v4().to_string().into(), ..new.plan })
    }

    async fn read(&self, _cx: &mut Context<Session>, state: Model) -> Result<Option<Model>, Diagnostics> {
        Ok(Some(state))
    }

    async fn update(&self, cx: &mut Context<Session>, change: Change<Model>) -> Outcome<Model> {
        pass(cx, &change.plan).await?;
        Ok(change.plan)
    }

    async fn delete(&self, _cx: &mut Context<Session>, _state: Model) -> Result<(), Diagnostics> {
        Ok(())
    }
}

/// The machines waited for, each as it was last seen.
type Seen = BTreeMap<String, Option<pb::Machine>>;

/// Waits until enough machines are ready.
async fn pass(cx: &Context<Session>, plan: &Model) -> Result<(), Diagnostics> {
    let session = cx.data()?;
    let client = session.client()?;
    let mut seen: Seen = plan.machines.require()?.iter().map(|id| (id.clone(), None)).collect();
    let min = plan.min.get().map_or(seen.len(), |min| usize::try_from(*min).unwrap_or(usize::MAX));
    let limit = plan.timeout.get().and_then(|text| parse_duration(text)).unwrap_or(WAIT);
    let deadline = Instant::now() + limit;
    let how = tokio::select! {
        biased;
        how = timeout_at(deadline, gather(client, &mut seen, min)) => match how {
            Ok(Ok(())) => None,
            Ok(Err(status)) => {
                let act = Act { verb: "wait for", kind: "machines", name: "", attributes: &[] };
                return Err(explain(client, act, &status));
            }
            Err(_) => Some(format!("after {}", written::duration(limit))),
        },
        () = cx.stop().cancelled() => Some("when interrupted".to_owned()),
    };
    let ready = seen.values().flatten().filter(|machine| wait::is_good(*machine)).count();
    if ready >= min {
        return Ok(());
    }
    Err(refusal(&seen, ready, min, how.as_deref()).into())
}

/// Follows the machines until enough are ready, or too many have come to rest otherwise.
async fn gather(client: &Client, seen: &mut Seen, min: usize) -> Result<(), Status> {
    loop {
        match follow(client, seen, min).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(status) if is_unreachable(&status) => {}
            Err(status) => return Err(status),
        }
        sleep(AGAIN).await;
    }
}

/// Whether it is decided; false when the stream has to be opened anew.
async fn follow(client: &Client, seen: &mut Seen, min: usize) -> Result<bool, Status> {
    let mut watch = pb::Machine::watch(client, pb::WatchRequest::default()).await?;
    let mut is_complete = false;
    while let Some(news) = watch.next().await? {
        match news {
            News::Object(machine) => {
                if let Some(entry) = seen.get_mut(&machine.meta().id) {
                    *entry = Some(*machine).filter(|machine| machine.meta().purged_at.is_none());
                }
            }
            News::Complete => is_complete = true,
            News::Resync => return Ok(false),
        }
        let ready = seen.values().flatten().filter(|machine| wait::is_good(*machine)).count();
        let lost = seen.values().filter(|machine| is_lost(machine.as_ref(), is_complete)).count();
        if ready >= min || (is_complete && seen.len() - lost < min) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether nothing will make it ready by itself.
fn is_lost(machine: Option<&pb::Machine>, is_complete: bool) -> bool {
    match machine {
        Some(machine) => wait::is_at_rest(machine, machine.meta().generation) && !wait::is_good(machine),
        None => is_complete,
    }
}

/// Names each machine that is not ready, and why.
fn refusal(seen: &Seen, ready: usize, min: usize, how: Option<&str>) -> Diagnostic {
    let late: Vec<_> =
        seen.iter().filter(|(_, machine)| !machine.as_ref().is_some_and(wait::is_good)).collect();
    let mut lines: Vec<_> =
        late.iter().take(NAMED).map(|(id, machine)| describe(id, machine.as_ref())).collect();
    if late.len() > NAMED {
        lines.push(format!("... and {} more", late.len() - NAMED));
    }
    let how = how.unwrap_or("and no more will be by themselves");
    let evidence = format!(
        "{ready} of {} machines are ready {how}; {min} are needed:\n{}",
        seen.len(),
        lines.join("\n")
    );
    let first = late.iter().find_map(|(_, machine)| machine.as_ref()).map_or("NAME", name);
    let next = format!(
        "To see why: underlay explain machine/{first}\nTo go on from where they stand: terraform apply"
    );
    let text = paragraphs(&[
        &evidence,
        "Nothing that depends on them was built; the machines themselves are kept",
        &next,
    ]);
    let names: Vec<_> = late.iter().take(3).filter_map(|(_, machine)| machine.as_ref().map(name)).collect();
    let names = if names.is_empty() { "machines".to_owned() } else { names.join(", ") };
    Diagnostic::error(format!("Not ready: {names}"), text).at("machines")
}

fn name(machine: &pb::Machine) -> &str {
    machine.meta().key.as_ref().map_or("", |key| &key.name)
}

fn describe(id: &str, machine: Option<&pb::Machine>) -> String {
    let Some(machine) = machine else { return format!("  {id}: the server has no such machine") };
    let standing = machine.standing();
    let why = match &standing.failure {
        Some(failure) => format!(": {}. {}", failure.why, failure.next),
        None if standing.waiting_for.is_empty() => String::new(),
        None if standing.held.is_some() => format!(", {}", standing.waiting_for),
        None => format!(", waits for {}", standing.waiting_for),
    };
    format!("  {} is {}{why}", name(machine), standing.phase)
}
