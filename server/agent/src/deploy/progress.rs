//! What is known of a deployment while it runs: always the latest stage. Whoever watches decides how often to look.

use tokio::sync::watch;
use underlay_core::agent::Stage;

/// Where stages are put.
#[derive(Debug)]
pub struct Progress(watch::Sender<Option<Stage>>);

impl Progress {
    /// Stages go to `stage`.
    pub fn new(stage: watch::Sender<Option<Stage>>) -> Self {
        Self(stage)
    }

    /// Says a stage.
    pub fn say(&mut self, stage: Stage) {
        self.0.send_replace(Some(stage));
    }

    /// Says how far the writing is.
    pub fn count(&mut self, disk: &str, done: u64, total: u64) {
        self.say(Stage::Writing { disk: disk.to_owned(), done, total });
    }
}
