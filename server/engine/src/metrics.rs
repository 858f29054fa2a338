//! What the engine counts, for Prometheus.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// The two labels of a step.
type KindAndOutcome = [(&'static str, &'static str); 2];
type KindOnly = [(&'static str, &'static str); 1];

/// Counters of one engine. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    steps: Family<KindAndOutcome, Counter>,
    seconds: Family<KindOnly, Histogram, fn() -> Histogram>,
    delay: Family<KindOnly, Histogram, fn() -> Histogram>,
    running: Gauge,
    swept: Counter,
}

fn buckets() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0, 60.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            steps: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            delay: Family::new_with_constructor(buckets),
            running: Gauge::default(),
            swept: Counter::default(),
        }
    }
}

impl Metrics {
    /// Adds the counters to a registry, under names that begin with `underlay_engine_`.
    pub fn register(&self, registry: &mut Registry) {
        let engine = registry.sub_registry_with_prefix("underlay_engine");
        engine.register("steps", "Steps by kind of object and outcome", self.steps.clone());
        engine.register("step_seconds", "Time from snapshot to commit", self.seconds.clone());
        engine.register(
            "start_delay_seconds",
            "Time an object was due before its step began",
            self.delay.clone(),
        );
        engine.register("steps_running", "Steps under way", self.running.clone());
        engine.register("swept_rows", "Rows of old history thrown away", self.swept.clone());
    }

    /// Steps so far of objects of `kind` that ended as `outcome`.
    pub fn steps(&self, kind: underlay_core::Kind, outcome: &'static str) -> u64 {
        self.steps.get_or_create(&[("kind", kind.as_str()), ("outcome", outcome)]).get()
    }

    pub(crate) fn stepped(&self, kind: underlay_core::Kind, outcome: &'static str, seconds: f64) {
        self.steps.get_or_create(&[("kind", kind.as_str()), ("outcome", outcome)]).inc();
        self.seconds.get_or_create(&[("kind", kind.as_str())]).observe(seconds);
    }

    pub(crate) fn started(&self, kind: underlay_core::Kind, late_seconds: f64) {
        self.delay.get_or_create(&[("kind", kind.as_str())]).observe(late_seconds.max(0.0));
    }

    pub(crate) fn set_running(&self, steps: usize) {
        self.running.set(i64::try_from(steps).unwrap_or(i64::MAX));
    }

    pub(crate) fn swept(&self, rows: u64) {
        self.swept.inc_by(rows);
    }
}
