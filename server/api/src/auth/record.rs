//! The audit's row of a call that left none with what it changed: it changed nothing in the store, or was refused.
//!
//! Refusals are bounded in rate, so that nobody fills a disk by knocking; how many were left out stands in the next row.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use tonic::{Code, Status};
use underlay_store::audit::Trail;

use crate::{context::Context, service::Bucket};

/// Refusals written a second on the long run, and at once.
const REFUSALS: (f64, f64) = (2.0, 200.0);

/// Holds back rows about refusals.
pub(crate) struct Refusals {
    bucket: Bucket,
    left_out: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        let (rate, burst) = REFUSALS;
        Self { bucket: Bucket::new(rate, burst), left_out: AtomicU64::new(0) }
    }
}

/// Writes the row of a call that has ended, or begun to answer.
pub(super) async fn record(context: &Context, trail: &Trail, answer: &HeaderMap) {
    let status = Status::from_header_map(answer).filter(|status| status.code() != Code::Ok);
    let outcome = match &status {
        None if trail.is_written() => return,
        None => "Ok".to_owned(),
        Some(status) => {
            let refusals = &context.refusals;
            if !refusals.bucket.take() {
                refusals.left_out.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let why = why(status);
            match refusals.left_out.swap(0, Ordering::Relaxed) {
                0 => trail.note_detail(&why),
                left_out => {
                    trail.note_detail(&format!("({left_out} refusals before this one left out) {why}"))
                }
            }
            format!("{:?}", status.code())
        }
    };
    let entry = trail.entry(&outcome);
    tracing::debug!(who = entry.who, method = entry.method, outcome, "a call for the audit");
    if let Err(error) = context.store.add_to_audit(entry).await {
        tracing::error!(error = underlay_core::because(&error), "a call could not be written into the audit");
    }
}

/// Why it was refused, in words that hold no value of a spec.
fn why(status: &Status) -> String {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition | Code::NotFound => {
            status.message().to_owned()
        }
        _ => String::new(),
    }
}
