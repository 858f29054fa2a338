//! Controllers of all kinds behind one trait: columns are decoded on the way in and encoded on the way out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use underlay_core::{
    Controller, Effect, ErrorKind, Failure, Kind, Noun, Outcome, Snapshot, State, Step, View, object::Object,
};
use underlay_store::{Decision, Entered, commit::Base};

/// A decision, encoded.
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    /// `None`: as it is.
    pub(crate) status: Option<serde_json::Value>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) decided_at: String,
}

/// A controller of some kind.
#[async_trait]
pub(crate) trait Erased: Send + Sync {
    async fn step(&self, shown: Shown<'_>, view: &dyn View) -> Result<Decided, Failure>;
    fn step_limit(&self) -> Duration;
}

/// What a controller is shown, encoded.
pub(crate) struct Shown<'a> {
    pub(crate) base: &'a Base,
    pub(crate) now: Timestamp,
    /// Deadlines are not counted from before this moment: nobody was looking.
    pub(crate) awake_since: Timestamp,
}

/// The controllers by kind.
pub(crate) type Controllers = BTreeMap<Kind, Arc<dyn Erased>>;

pub(crate) struct Typed<C>(pub(crate) C);

#[async_trait]
impl<C: Controller> Erased for Typed<C> {
    async fn step(&self, shown: Shown<'_>, view: &dyn View) -> Result<Decided, Failure> {
        let raw = shown.base.record.raw.clone();
        let what = format!("{} {}", raw.meta.kind, raw.meta.key.name);
        let mut object: Object<C::Noun> =
            raw.decode().map_err(|error| unreadable(&what, &error, std::error::Error::source(&error)))?;
        // What was written by a clock that was ahead counts from now on.
        object.progress.since = object.progress.since.min(shown.now);
        object.progress.evidence_at = object.progress.evidence_at.max(shown.awake_since).min(shown.now);
        let (observations, now) = (shown.base.observations.clone(), shown.now);
        let snapshot = Snapshot { object, observations, now, awake_since: shown.awake_since };
        let step = self.0.step(&snapshot, view).await?;
        encode::<C::Noun>(step).map_err(|error| unreadable(&what, &error, None))
    }

    fn step_limit(&self) -> Duration {
        self.0.step_limit()
    }
}

fn encode<N: Noun>(step: Step<N>) -> Result<Decided, serde_json::Error> {
    let decision = match step.outcome {
        Outcome::Wait { reason, again, amount } => Decision::Wait { reason, again, amount },
        Outcome::Held { brake, again } => Decision::Held { brake, again },
        Outcome::Advance { next } => Decision::Advance(entered(&next)?),
        Outcome::Done { audit } => Decision::Done { audit },
        Outcome::Failed { next, failure, again } => {
            Decision::Failed { next: entered(&next)?, failure, again }
        }
        Outcome::Gone => Decision::Gone,
    };
    Ok(Decided {
        decision,
        status: Some(serde_json::to_value(&step.status)?),
        effects: step.effects,
        decided_at: format!("{}:{}", step.decided_at.file(), step.decided_at.line()),
    })
}

fn entered(state: &impl State) -> Result<Entered, serde_json::Error> {
    Ok(Entered {
        state: serde_json::to_value(state)?,
        phase: state.phase().into(),
        settled: state.is_settled(),
    })
}

fn unreadable(
    what: &str,
    error: &dyn std::error::Error,
    source: Option<&(dyn std::error::Error + 'static)>,
) -> Failure {
    let why = match source {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let next = "run the release that wrote it, or newer";
    Failure::new(ErrorKind::Permanent, format!("{what}: reading it"), why, "nothing was touched", next)
}
