//! How steps end that the server does itself: kept as observations of their machines, which wakes them, and in the log of the boot.

use async_trait::async_trait;
use underlay_core::{
    because, clock,
    observation::{Body, Observation, Source},
    step::Ended,
};
use underlay_metal::step::{Company, Job, Outbox, Steps};
use underlay_store::{Error, Store, agent_log::Part};

/// Keeps what is told in the store.
pub struct Kept(pub Store);

/// Does the steps of this server. Whoever shares a database with others may share their steps.
pub fn steps(store: &Store, company: Company) -> Steps {
    Steps::new(company, std::sync::Arc::new(Kept(store.clone())))
}

#[async_trait]
impl Outbox for Kept {
    async fn ended(&self, job: &Job, ended: &Ended, log: &str) -> bool {
        let (object, epoch, at) = (job.ticket.machine, job.ticket.epoch, clock::now());
        let part = Part { host: job.host, epoch, object, at, text: log.to_owned() };
        if let Err(error) = self.0.append_agent_log(&part).await {
            tracing::warn!(error = because(&error), step = job.step, "what a step said could not be kept");
        }
        let body = Body::Step(Box::new(ended.clone()));
        match self.0.observe(&Observation { id: object, source: Source::Step, at, body }).await {
            // Nobody waits for it any more.
            Ok(()) | Err(Error::NotFound { .. }) => true,
            Err(error) => {
                tracing::warn!(
                    error = because(&error),
                    step = job.step,
                    "how a step ended could not be kept"
                );
                false
            }
        }
    }
}
