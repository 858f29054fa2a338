//! Health and metrics: `/healthz` answers 200 while the store does, `/metrics` is Prometheus text.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::counter::ConstCounter,
    registry::Registry,
};
use underlay_metal::{dhcp, tftp};
use underlay_store::Store;

/// What is exported.
pub struct Exported {
    /// Counters of the engine and of DHCP and TFTP.
    pub registry: Mutex<Registry>,
    /// Counters of the API, rendered by itself.
    pub api: Arc<underlay_api::Metrics>,
    /// Asked for its health.
    pub store: Store,
}

/// The routes.
pub fn router(exported: Arc<Exported>) -> Router {
    Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(exported)
}

async fn health(State(exported): State<Arc<Exported>>) -> impl IntoResponse {
    match exported.store.head().await {
        Ok(_) => (StatusCode::OK, format!("ok\n{}", held_back(&exported.store).await)),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", underlay_core::because(&error))),
    }
}

/// A line for each brake that stands: the server is well, and yet does not do what it is for.
async fn held_back(store: &Store) -> String {
    let standing = store.standing_brakes().await.unwrap_or_default();
    standing.iter().map(|brake| format!("{brake}\n")).collect()
}

async fn metrics(State(exported): State<Arc<Exported>>) -> impl IntoResponse {
    let mut text = exported.api.render();
    let registry = exported.registry.lock().unwrap_or_else(PoisonError::into_inner);
    match encode(&mut text, &registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    }
}

fn traffic(store: &Store) -> Vec<(&'static str, u64)> {
    vec![("reads", store.traffic().reads()), ("writes", store.traffic().writes())]
}

/// Plain numbers of a part that knows no Prometheus, as counters.
#[derive(Debug)]
pub enum Plain {
    /// Of DHCP.
    Dhcp(Arc<dhcp::Counters>),
    /// Of TFTP.
    Tftp(Arc<tftp::Counters>),
    /// Of the database.
    Store(Store),
}

impl Collector for Plain {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (prefix, numbers) = match self {
            Plain::Dhcp(counters) => ("underlay_dhcp", counters.snapshot()),
            Plain::Tftp(counters) => ("underlay_tftp", counters.snapshot()),
            Plain::Store(store) => ("underlay_store", traffic(store)),
        };
        for (name, value) in numbers {
            let counter = ConstCounter::new(value);
            let (name, help) = (format!("{prefix}_{name}"), format!("{name} since the server started"));
            let metric = encoder.encode_descriptor(&name, &help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}
