//! Create, read, update, delete and preview of any noun: the calls, the wait, and what their end means to Terraform.
//!
//! Invariant: once the server has the object, create succeeds, with a warning if the object is not as it should be, so that
//! Terraform never marks it as tainted. An update that ends badly is an error, which never taints.

use std::time::Duration;

use tfplugin::{Context, Diagnostic, Diagnostics, resource::Failure, schema::Attribute};
use tonic::{Code, Status};
use underlay_proto::v1::{self as pb, delete_response::Outcome as Deletion};
use uuid::Uuid;

use crate::{
    client::{Client, Session},
    errors::{Act, explain, fault, is_unreachable, paragraphs},
    noun::Noun,
    reads, wait,
    wait::{End, Waited, Wish},
};

/// Pauses between attempts of a call that can be repeated, while the server is away.
const ATTEMPTS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// An object that is to be put, and for how long to wait for it.
pub(crate) struct Wanted<'a, N: Noun> {
    pub(crate) name: &'a str,
    pub(crate) put: N::Put,
    pub(crate) limit: Duration,
    pub(crate) attributes: &'a [Attribute],
}

impl<N: Noun> Wanted<'_, N> {
    fn act<'a>(&'a self, verb: &'a str) -> Act<'a> {
        Act { verb, kind: N::KIND, name: self.name, attributes: self.attributes }
    }
}

/// Creates or adopts, then waits. An error means that nothing was created.
pub(crate) async fn create<N: Noun>(
    cx: &mut Context<Session>,
    client: &Client,
    wanted: Wanted<'_, N>,
) -> Result<N, Diagnostics> {
    let put = send(client, &wanted).await;
    let object = put.map_err(|status| explain(client, wanted.act("create"), &status))?;
    let waited = rest(cx, client, &wanted, &object).await;
    if let Some((summary, text)) = complaint::<N>(client, &wanted, &waited) {
        cx.warn(summary, text);
    }
    Ok(waited.last.unwrap_or(object))
}

/// An update that ended badly.
#[derive(Debug)]
pub(crate) struct Stalled<N> {
    pub(crate) diagnostics: Diagnostics,
    /// The object as it is now; `None` if nothing was changed.
    pub(crate) object: Option<Box<N>>,
}

impl<N> Stalled<N> {
    /// The failure with the state in which the object was left.
    pub(crate) fn failure<M>(self, state: impl FnOnce(&N) -> M) -> Failure<M> {
        match self.object {
            Some(object) => Failure::with_state(self.diagnostics, state(&object)),
            None => self.diagnostics.into(),
        }
    }
}

/// Changes, then waits.
pub(crate) async fn update<N: Noun>(
    cx: &mut Context<Session>,
    client: &Client,
    wanted: Wanted<'_, N>,
) -> Result<N, Stalled<N>> {
    let put = send(client, &wanted).await;
    let object = put.map_err(|status| Stalled {
        diagnostics: explain(client, wanted.act("update"), &status),
        object: None,
    })?;
    let waited = rest(cx, client, &wanted, &object).await;
    let complaint = complaint::<N>(client, &wanted, &waited);
    let is_held = matches!(waited.end, End::Late(_)) && held(&waited).is_some();
    let object = waited.last.unwrap_or(object);
    match complaint {
        None => Ok(object),
        // Nothing went wrong: somebody holds it back, and the server goes on once they let it.
        Some((summary, text)) if is_held => {
            cx.warn(summary, text);
            Ok(object)
        }
        Some((summary, text)) => {
            let diagnostics = Diagnostic::error(summary, text).into();
            Err(Stalled { diagnostics, object: Some(Box::new(object)) })
        }
    }
}

/// Puts under one request id, so that a repetition is harmless.
async fn send<N: Noun>(client: &Client, wanted: &Wanted<'_, N>) -> Result<N, Status> {
    let mut put = wanted.put.clone();
    N::options(&mut put).request_id = Uuid::new_v4().to_string();
    repeated(|| N::put(client, put.clone())).await
}

async fn repeated<T, F>(call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    for pause in ATTEMPTS {
        match call().await {
            Err(status) if is_unreachable(&status) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
    }
    call().await
}

async fn rest<N: Noun>(
    cx: &Context<Session>,
    client: &Client,
    wanted: &Wanted<'_, N>,
    object: &N,
) -> Waited<N> {
    let generation = object.meta().generation;
    if wait::is_at_rest(object, generation) {
        return Waited { last: Some(object.clone()), end: End::Reached };
    }
    let until = move |object: &N| wait::is_at_rest(object, generation);
    let wish = Wish { id: &object.meta().id, until: &until, limit: wanted.limit, stop: cx.stop() };
    wait::until(client, wish).await
}

/// What held the object back when it was last seen.
fn held<N: Noun>(waited: &Waited<N>) -> Option<&pb::Brake> {
    waited.last.as_ref().and_then(|object| object.standing().held.as_ref())
}

/// What to tell the user if the object is not as it should be: summary and text.
fn complaint<N: Noun>(
    client: &Client,
    wanted: &Wanted<'_, N>,
    waited: &Waited<N>,
) -> Option<(String, String)> {
    let (kind, name) = (N::KIND, wanted.name);
    let standing = waited.last.as_ref().map(Noun::standing);
    if matches!(waited.end, End::Reached) && waited.last.as_ref().is_some_and(wait::is_good) {
        return None;
    }
    let failure = standing.and_then(|standing| standing.failure.as_ref());
    let phase = standing.map_or("unknown", |standing| standing.phase.as_str());
    let how = match &waited.end {
        End::Reached if failure.is_some() => "it failed".to_owned(),
        End::Reached => format!("it stopped as {phase}"),
        End::Gone => "it was deleted meanwhile".to_owned(),
        End::Interrupted => "interrupted".to_owned(),
        End::Late(_) if held(waited).is_some() => "it is held back".to_owned(),
        End::Late(limit) => format!("it took longer than {}", crate::written::duration(*limit)),
        End::Lost(_) => "the server was lost".to_owned(),
    };
    let evidence = match (failure, standing, &waited.end) {
        (_, _, End::Lost(_)) => format!(
            "The server at {} cannot be reached: {}; before that the {kind} was {phase}",
            client.endpoint(),
            client.trouble().unwrap_or_else(|| "the connection was lost".to_owned())
        ),
        (Some(failure), ..) => format!("{}: {}", failure.what, failure.why),
        (None, Some(standing), _) if standing.held.is_some() => {
            format!("It is {phase}: {}", standing.waiting_for)
        }
        (None, Some(standing), _) if !standing.waiting_for.is_empty() => {
            format!("It is {phase} and waits for {}", standing.waiting_for)
        }
        _ => format!("It is {phase}"),
    };
    let done = match (failure, &waited.end) {
        (Some(failure), _) => failure.done.clone(),
        (None, End::Reached | End::Gone) => String::new(),
        (None, _) if held(waited).is_some() => {
            "The server goes on by itself once that is lifted; no deadline of its own runs until then"
                .to_owned()
        }
        (None, _) => "The server goes on by itself; nothing is lost".to_owned(),
    };
    let next = failure.map(|failure| failure.next.clone()).unwrap_or_default();
    let follow =
        format!("To follow it: underlay watch {kind}/{name}\nTo go on from where it stands: terraform apply");
    Some((
        format!("{kind} {name} is not {}: {how}", N::GOOD),
        paragraphs(&[&evidence, &done, &next, &follow]),
    ))
}

/// Reads an object of a state, and tells the server that the state has it. `None` if it is gone.
pub(crate) async fn read<N: Noun>(
    client: &Client,
    name: &str,
    selector: pb::Selector,
    incarnation: &str,
) -> Result<Option<N>, Diagnostics> {
    let request = pb::GetRequest { selector: Some(selector), incarnation: incarnation.to_owned() };
    let act = Act { verb: "read", kind: N::KIND, name, attributes: &[] };
    reads::read(client, request).await.map_err(|status| explain(client, act, &status))
}

/// What is to be deleted.
pub(crate) struct Doomed<'a> {
    pub(crate) name: &'a str,
    pub(crate) selector: pb::Selector,
    pub(crate) incarnation: &'a str,
    pub(crate) limit: Duration,
}

/// Deletes, and waits until it is gone. What is gone, or is another incarnation by now, is left alone.
pub(crate) async fn delete<N: Noun>(
    cx: &Context<Session>,
    client: &Client,
    doomed: Doomed<'_>,
) -> Result<(), Diagnostics> {
    let Doomed { name, selector, incarnation, limit } = doomed;
    let act = Act { verb: "delete", kind: N::KIND, name, attributes: &[] };
    let request = pb::DeleteRequest { selector: Some(selector), incarnation: incarnation.to_owned() };
    let answer = match repeated(|| N::delete(client, request.clone())).await {
        Ok(answer) => answer,
        Err(status) if status.code() == Code::NotFound => return Ok(()),
        Err(status) => return Err(explain(client, act, &status)),
    };
    if answer.outcome() != Deletion::Deleting {
        return Ok(());
    }
    let id = answer.meta.map(|meta| meta.id).unwrap_or_default();
    let waited = wait::until::<N>(client, Wish { id: &id, until: &|_| false, limit, stop: cx.stop() }).await;
    let standing = waited.last.as_ref().map(Noun::standing);
    let how = match waited.end {
        End::Gone | End::Reached => return Ok(()),
        End::Lost(status) => return Err(explain(client, act, &status)),
        End::Interrupted => "interrupted".to_owned(),
        End::Late(limit) => format!("it took longer than {}", crate::written::duration(limit)),
    };
    let waiting = standing.map(|standing| standing.waiting_for.as_str()).filter(|text| !text.is_empty());
    let evidence = match waiting {
        Some(waiting) if standing.is_some_and(|standing| standing.held.is_some()) => {
            format!("It is held back: {waiting}")
        }
        Some(waiting) => format!("It waits for {waiting}"),
        None => "It is still being deleted".to_owned(),
    };
    let failure = standing.and_then(|standing| standing.failure.as_ref());
    let why = failure.map(|failure| failure.why.clone()).unwrap_or_default();
    let kind = N::KIND;
    let next =
        format!("To follow it: underlay watch {kind}/{name}\nThen destroy again: nothing is done twice");
    let text = paragraphs(&[&evidence, &why, "The server goes on by itself", &next]);
    Err(Diagnostic::error(format!("{kind} {name} is not gone yet: {how}"), text).into())
}

/// Asks what a Put would do. What it objects to becomes errors, except where `is_settled_later` says that the plan itself
/// takes care of it.
pub(crate) async fn preview<N: Noun>(
    client: &Client,
    wanted: &Wanted<'_, N>,
    found: &mut Diagnostics,
    is_settled_later: impl Fn(&pb::FieldError) -> bool,
) -> Result<pb::Preview, Diagnostics> {
    let act = wanted.act("plan");
    let preview = N::preview(client, wanted.put.clone()).await;
    let preview = preview.map_err(|status| explain(client, act, &status))?;
    for objection in preview.errors.iter().filter(|objection| !is_settled_later(objection)) {
        found.push(fault(act, objection, "", ""));
    }
    for warning in preview.warnings.iter().filter(|warning| !is_settled_later(warning)) {
        let summary = format!("{} {}: {}", N::KIND, wanted.name, warning.message);
        found.push(Diagnostic::warning(summary, paragraphs(&[&warning.attribute])));
    }
    Ok(preview)
}
