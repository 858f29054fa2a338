//! What the DHCP server did since it started, as plain numbers for whoever exports metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since start; monotonic but for `listeners` and `strangers`.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Counters {
            /// Every counter by name, in a fixed order.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Datagrams received.
    received,
    /// Datagrams that are no DHCP request.
    malformed,
    /// Requests that no network of ours answers: a foreign relay, an ignored machine, another server's client.
    ignored,
    /// OFFERs sent, proxy offers among them.
    offers,
    /// ACKs sent, each after its lease was durable.
    acks,
    /// NAKs sent.
    naks,
    /// DISCOVERs that found no free address.
    exhausted,
    /// Requests dropped because the lease store lags; the client asks again.
    overloaded,
    /// Leases made durable.
    committed,
    /// Batches in which they were.
    batches,
    /// Batches that the store refused; their clients got no answer.
    commit_failures,
    /// Replies that could not be written or sent.
    send_failures,
    /// Sockets that are bound now.
    listeners,
    /// Router advertisements sent.
    advertisements,
    /// Questions asked to find other DHCP servers.
    probes,
    /// Other DHCP servers known now on networks where there should be none.
    strangers,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
