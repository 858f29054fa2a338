//! Counters of calls, by service, method and status code; written as text for Prometheus by whoever serves metrics.
//!
//! Names come from the table of calls only, so their number is bounded whatever a caller sends.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, PoisonError},
};

use tonic::Code;

/// Counts calls.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String, i32), u64>>,
}

impl Metrics {
    pub(crate) fn count(&self, service: &str, method: &str, code: Code) {
        let key = (service.to_owned(), method.to_owned(), code as i32);
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
    }

    /// Every counter so far: service, method, status code's name, count.
    pub fn requests(&self) -> Vec<(String, String, String, u64)> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .iter()
            .map(|((service, method, code), count)| {
                (service.clone(), method.clone(), format!("{:?}", Code::from_i32(*code)), *count)
            })
            .collect()
    }

    /// The counters in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# HELP underlay_api_requests_total Calls answered or, for streams, begun.\n\
             # TYPE underlay_api_requests_total counter\n",
        );
        for (service, method, code, count) in self.requests() {
            let labels = format!("service=\"{service}\",method=\"{method}\",code=\"{code}\"");
            let _ = writeln!(text, "underlay_api_requests_total{{{labels}}} {count}");
        }
        text
    }
}
