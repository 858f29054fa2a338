//! The line of one agent: hello, then reports in and orders out, until either side ends it.
//!
//! Orders are pushed whenever the assignment of the host changes, and again to whoever connects anew; an agent whose
//! epoch is over is turned away. Reports of progress are thinned before they reach the store.

use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;
use tonic::Streaming;
use underlay_core::{
    agent::{Assignment, Stage, Task},
    observation::{Body, Observation, Source},
};
use underlay_proto::v1::{self as pb, agent_message::Message};
use underlay_store::{Error as StoreError, agent_log::Part, assignment::Sealed, hint::Topic};

use super::{
    limiter::Bucket,
    stream::{self, Events},
};
use crate::{
    context::Context,
    convert::{
        agent::{self, Takes},
        inventory,
    },
    errors::Error,
    tls::AgentIdentity,
};

/// How long an agent may take to say hello.
const HELLO: Duration = Duration::from_secs(30);
/// The most that an agent says at once, in bytes.
const LOG: usize = 8 << 10;
/// At most one report of bytes written per this time is kept; the others are overtaken anyway.
const PROGRESS: Duration = Duration::from_millis(500);

/// Who is on the line, and the assignment that was last found to be meant for it, as it lies in the store.
struct Line<'a> {
    context: &'a Context,
    agent: AgentIdentity,
    checked: Option<Option<Sealed>>,
}

/// What the agent is to do.
enum Work {
    /// What it was to do when it was last asked.
    Same,
    /// This, or nothing more.
    New(Option<Box<Assignment>>),
}

/// Begins to serve an agent.
pub(super) async fn begin(
    context: &Context,
    agent: AgentIdentity,
    messages: Streaming<pb::AgentMessage>,
) -> Result<Events<pb::Order>, Error> {
    Line::new(context, agent).check().await?;
    Ok(stream::spawn(context, 4, move |context, orders| async move {
        let ended = serve(&context, agent, messages, &orders).await;
        tracing::info!(host = %agent.host, epoch = agent.epoch, is_error = ended.is_err(), "an agent's line ends");
        ended
    }))
}

fn stale() -> Error {
    Error::Denied("this boot is over: the host was started anew since; restart the machine".into())
}

impl<'a> Line<'a> {
    fn new(context: &'a Context, agent: AgentIdentity) -> Self {
        Self { context, agent, checked: None }
    }

    /// What the agent is to do, if its epoch still counts. Most looks find what the last one found, and open nothing; a
    /// host that is gone has lost its assignment first.
    async fn check(&mut self) -> Result<Work, Error> {
        let sealed = self.context.store.sealed_assignment(self.agent.host).await?;
        if self.checked.as_ref() == Some(&sealed) {
            return Ok(Work::Same);
        }
        let host = self.context.store.get(self.agent.host).await?;
        if host.is_none_or(|host| host.raw.meta.purged_at.is_some()) {
            return Err(stale());
        }
        let assignment = match &sealed {
            Some(sealed) => Some(self.context.store.open_assignment(self.agent.host, sealed)?),
            None => None,
        };
        let assignment = match assignment {
            Some(assignment) if assignment.epoch > self.agent.epoch => return Err(stale()),
            // One of an earlier boot is about to be replaced.
            Some(assignment) if assignment.epoch < self.agent.epoch => None,
            assignment => assignment,
        };
        self.checked = Some(sealed);
        Ok(Work::New(assignment.map(Box::new)))
    }
}

async fn serve(
    context: &Context,
    agent: AgentIdentity,
    mut messages: Streaming<pb::AgentMessage>,
    orders: &stream::Sender<pb::Order>,
) -> Result<(), Error> {
    let broken = |_| Error::Unavailable("the agent's line broke");
    let first = tokio::time::timeout(HELLO, messages.message())
        .await
        .map_err(|_| Error::field("hello", "did not come in time"))?
        .map_err(broken)?;
    let Some(Message::Hello(hello)) = first.and_then(|message| message.message) else {
        return Err(Error::field("hello", "comes first"));
    };
    let takes = if hello.takes_seed_runs { Takes::Runs } else { Takes::Whole };
    greet(context, agent, hello).await?;
    tokio::select! {
        ended = listen(context, agent, messages) => ended,
        ended = command(context, agent, takes, orders) => ended,
    }
}

async fn greet(context: &Context, agent: AgentIdentity, hello: pb::Hello) -> Result<(), Error> {
    if hello.epoch != agent.epoch {
        return Err(stale());
    }
    let inventory = Box::new(inventory::inventory(hello.inventory.unwrap_or_default())?);
    let version: String = hello.version.chars().filter(|c| !c.is_control()).take(64).collect();
    tracing::info!(host = %agent.host, epoch = agent.epoch, version, "an agent calls home");
    observe(context, agent, Source::Inventory, Body::Inventory { epoch: agent.epoch, inventory }).await
}

async fn observe(context: &Context, agent: AgentIdentity, source: Source, body: Body) -> Result<(), Error> {
    let seen = Observation { id: agent.host, source, at: underlay_core::clock::now(), body };
    match context.store.observe(&seen).await {
        Err(StoreError::NotFound { .. }) => Err(stale()),
        other => Ok(other?),
    }
}

/// Takes in reports until the agent hangs up.
async fn listen(
    context: &Context,
    agent: AgentIdentity,
    mut messages: Streaming<pb::AgentMessage>,
) -> Result<(), Error> {
    let mut line = Line::new(context, agent);
    let mut kept_at: Option<Instant> = None;
    let talk = Bucket::new(1.0, 20.0);
    while let Ok(Some(message)) = messages.message().await {
        let report = match message.message {
            Some(Message::Report(report)) => agent::report(report)?,
            Some(Message::Log(log)) => {
                if log.epoch != agent.epoch {
                    return Err(stale());
                }
                // Whoever says more than that is not listened to.
                if talk.take() {
                    keep(context, agent, &log.text).await?;
                }
                continue;
            }
            Some(Message::Hello(_)) => return Err(Error::field("hello", "comes once per connection")),
            None => return Err(Error::field("message", "is neither hello, report nor log")),
        };
        if report.epoch != agent.epoch {
            return Err(stale());
        }
        let is_progress = matches!(&report.stage, Stage::Writing { done, total, .. } | Stage::Wiping { done, total, .. } if done < total);
        if is_progress && kept_at.is_some_and(|at| at.elapsed() < PROGRESS) {
            continue;
        }
        kept_at = is_progress.then(Instant::now);
        line.check().await?;
        observe(context, agent, Source::Agent, Body::Report(report)).await?;
    }
    Ok(())
}

/// Keeps what the agent had to say. What it may not say is made blank.
async fn keep(context: &Context, agent: AgentIdentity, text: &str) -> Result<(), Error> {
    if text.len() > LOG {
        return Err(Error::field("log.text", format!("is longer than {LOG} bytes")));
    }
    let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let object = match context.store.assignment(agent.host).await? {
        Some(assignment) if assignment.epoch == agent.epoch => assignment.on_behalf_of,
        // Its work is over, and these are its last words.
        _ => return Ok(()),
    };
    let at = underlay_core::clock::now();
    let part = Part { host: agent.host, epoch: agent.epoch, object, at, text };
    Ok(context.store.append_agent_log(&part).await?)
}

/// Sends the assignment whenever it changes.
async fn command(
    context: &Context,
    agent: AgentIdentity,
    takes: Takes,
    orders: &stream::Sender<pb::Order>,
) -> Result<(), Error> {
    let mut hint = context.store.hint_of(&[Topic::Assignment(agent.host)]);
    let mut line = Line::new(context, agent);
    let mut sent = None;
    loop {
        hint.mark_unchanged();
        if let Work::New(assignment) = line.check().await? {
            let order = assignment.map(|assignment| agent::order(&assignment, takes));
            let wanted = order.as_ref().map(digest);
            let is_news = std::mem::replace(&mut sent, wanted) != wanted;
            if is_news && orders.send(Ok(order.unwrap_or_else(|| idle(agent)))).await.is_err() {
                return Ok(());
            }
        }
        if hint.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Tells an order from the one before: its seed may hold secrets and is not kept for that.
fn digest(order: &pb::Order) -> blake3::Hash {
    blake3::hash(&order.encode_to_vec())
}

/// The order of an agent that has nothing more to do.
fn idle(agent: AgentIdentity) -> pb::Order {
    let stay =
        Assignment { host: agent.host, on_behalf_of: agent.host, epoch: agent.epoch, task: Task::Stay };
    agent::order(&stay, Takes::Runs)
}
