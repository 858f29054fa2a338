//! What the server is told while an image is written: the latest stage, at most twice a second while it only counts.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};
use underlay_core::agent::Stage;

const PAUSE: Duration = Duration::from_millis(500);

/// Where stages are put; whoever watches sees the latest.
#[derive(Debug)]
pub struct Progress {
    stage: watch::Sender<Option<Stage>>,
    last: Option<Instant>,
}

impl Progress {
    /// Stages go to `stage`.
    pub fn new(stage: watch::Sender<Option<Stage>>) -> Self {
        Self { stage, last: None }
    }

    /// Says a stage at once.
    pub fn say(&mut self, stage: Stage) {
        self.last = None;
        self.stage.send_replace(Some(stage));
    }

    /// Says how far the writing is, unless that was said a moment ago.
    pub fn count(&mut self, disk: &str, done: u64, total: u64) {
        let now = Instant::now();
        if done < total && self.last.is_some_and(|last| now < last + PAUSE) {
            return;
        }
        self.last = Some(now);
        self.stage.send_replace(Some(Stage::Writing { disk: disk.to_owned(), done, total }));
    }
}
