//! The line of an agent that lives on an installed system: it says what it is, and hears when its host is forgotten.
//!
//! An open line costs a note in half an hour; nothing is asked of anybody. It is given the attributes of the machine that took
//! its system as it stands, and no other work: whoever wants the machine written over gives its host a driver, and boots the
//! agent in RAM.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tonic::Streaming;
use underlay_core::{
    agent::Inventory,
    observation::{Body, Observation, Source},
    resident::{Line, NOTED, System, Written},
};
use underlay_proto::v1::{self as pb, resident_order};
use underlay_store::{Error as StoreError, assignment::Sealed, hint::Topic};

use super::{
    adoption::forgotten,
    stream::{self, Events},
};
use crate::{
    context::Context,
    convert::{agent, inventory},
    errors::Error,
    tls::ResidentIdentity,
};

/// How long an agent may take to say what it is.
const FIRST: Duration = Duration::from_secs(30);
/// Reports that come sooner after each other end the line.
const PAUSE: Duration = Duration::from_secs(1);

/// Begins to serve a resident.
pub(super) async fn begin(
    context: &Context,
    resident: ResidentIdentity,
    messages: Streaming<pb::ResidentReport>,
) -> Result<Events<pb::ResidentOrder>, Error> {
    must_live(context, resident).await?;
    Ok(stream::spawn(context, 2, move |context, orders| async move {
        let ended = serve(context, resident, messages, &orders).await;
        tracing::info!(host = %resident.host, is_error = ended.is_err(), "a resident's line ends");
        ended
    }))
}

async fn must_live(context: &Context, resident: ResidentIdentity) -> Result<(), Error> {
    match context.store.resident(resident.host).await? {
        Some(key) if key == resident.fingerprint() => Ok(()),
        _ => Err(forgotten()),
    }
}

async fn serve(
    context: Context,
    resident: ResidentIdentity,
    mut messages: Streaming<pb::ResidentReport>,
    orders: &stream::Sender<pb::ResidentOrder>,
) -> Result<(), Error> {
    let mut hint = context.store.hint_of(&[Topic::Object(resident.host), Topic::Assignment(resident.host)]);
    let first = tokio::time::timeout(FIRST, messages.message());
    let first = first.await.map_err(|_| Error::field("report", "did not come in time"))?;
    let first = first.map_err(broken)?.ok_or(Error::field("report", "comes first"))?;
    let mut presence = Presence::enter(&context, resident, first).await?;
    let mut reported = Instant::now();
    let mut due = reported + NOTED;
    let mut told = Told::default();
    loop {
        hint.mark_unchanged();
        if let Err(error) = must_live(&context, resident).await {
            let order = resident_order::Order::Forgotten(resident_order::Forgotten {});
            let _ = orders.send(Ok(pb::ResidentOrder { order: Some(order) })).await;
            return Err(error);
        }
        if let Some(attributes) = told.news(&context, &presence).await? {
            let order = Some(resident_order::Order::Attributes(attributes));
            if orders.send(Ok(pb::ResidentOrder { order })).await.is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            message = messages.message() => {
                let Some(mut report) = message.map_err(broken)? else { return Ok(()) };
                if report.inventory.is_none() && let Some(written) = report.written.take() {
                    told.answered()?;
                    presence.wrote(written).await?;
                    continue;
                }
                if reported.elapsed() < PAUSE {
                    return Err(Error::Exhausted("reports come too often"));
                }
                reported = Instant::now();
                due = reported + NOTED;
                presence.says(report).await?;
            }
            changed = hint.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep_until(due) => {
                due = Instant::now() + NOTED;
                presence.note().await?;
            }
        }
    }
}

/// Which attributes the agent was told of.
#[derive(Default)]
struct Told {
    last: Option<Option<Sealed>>,
    unanswered: u32,
}

impl Told {
    /// What it is to be told now, if that is something else.
    async fn news(
        &mut self,
        context: &Context,
        presence: &Presence,
    ) -> Result<Option<resident_order::Attributes>, Error> {
        let host = presence.resident.host;
        let sealed = context.store.sealed_assignment(host).await?;
        if self.last.as_ref() == Some(&sealed) {
            return Ok(None);
        }
        let is_first = self.last.is_none();
        let assignment = match &sealed {
            Some(sealed) => Some(context.store.open_assignment(host, sealed)?),
            None => None,
        };
        self.last = Some(sealed);
        let attributes = agent::attributes(assignment.as_ref());
        // One that has none, and is to have none, need not hear of it.
        if is_first && attributes.fingerprint.is_empty() && presence.written == Written::default() {
            return Ok(None);
        }
        self.unanswered += 1;
        Ok(Some(attributes))
    }

    /// It says what it made of them; it may say so once each time.
    fn answered(&mut self) -> Result<(), Error> {
        self.unanswered =
            self.unanswered.checked_sub(1).ok_or(Error::field("written", "answers what was not asked"))?;
        Ok(())
    }
}

fn broken(_: tonic::Status) -> Error {
    Error::Unavailable("the agent's line broke")
}

/// An agent that is on its line: when this goes, for whatever reason, that is noted.
struct Presence {
    context: Context,
    resident: ResidentIdentity,
    system: System,
    inventory: Inventory,
    written: Written,
    noted: Timestamp,
}

impl Presence {
    async fn enter(
        context: &Context,
        resident: ResidentIdentity,
        report: pb::ResidentReport,
    ) -> Result<Self, Error> {
        let (system, inventory, written) = read(report)?;
        let (context, noted) = (context.clone(), Timestamp::UNIX_EPOCH);
        tracing::info!(host = %resident.host, hostname = system.hostname, boot_id = system.boot_id, "a resident calls home");
        let mut presence = Self { context, resident, system, inventory, written, noted };
        presence.note().await?;
        Ok(presence)
    }

    async fn says(&mut self, report: pb::ResidentReport) -> Result<(), Error> {
        // Whether its files could be written is said when they are.
        (self.system, self.inventory, _) = read(report)?;
        self.note().await
    }

    async fn wrote(&mut self, written: pb::WrittenAttributes) -> Result<(), Error> {
        self.written = agent::written(written)?;
        self.note().await
    }

    async fn note(&mut self) -> Result<(), Error> {
        let seen = self.seen(Line::Open);
        match self.context.store.observe(&seen).await {
            Ok(()) => {
                self.noted = seen.at;
                Ok(())
            }
            Err(StoreError::NotFound { .. }) => Err(forgotten()),
            Err(error) => Err(error.into()),
        }
    }

    fn seen(&self, line: Line) -> Observation {
        let (system, inventory) = (Box::new(self.system.clone()), Box::new(self.inventory.clone()));
        Observation {
            id: self.resident.host,
            source: Source::Resident,
            at: underlay_core::clock::now(),
            body: Body::Resident { line, system, inventory, written: self.written.clone() },
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A server that stops ends all lines, and says nothing about the machines.
        if self.noted == Timestamp::UNIX_EPOCH || self.context.stop.is_cancelled() {
            return;
        }
        let (store, seen, noted) = (self.context.store.clone(), self.seen(Line::Closed), self.noted);
        self.context.tasks.spawn(async move {
            match store.observe_after(noted, &seen).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(host = %seen.id, error = underlay_core::because(&error), "not noted that a line ended");
                }
            }
        });
    }
}

fn read(report: pb::ResidentReport) -> Result<(System, Inventory, Written), Error> {
    let system = inventory::system(report.system.unwrap_or_default())?;
    let written = agent::written(report.written.unwrap_or_default())?;
    Ok((system, inventory::inventory(report.inventory.unwrap_or_default())?, written))
}
