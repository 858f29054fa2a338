//! What the TFTP server did since it started, as plain numbers for whoever exports metrics.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since start; monotonic but for `running`.
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
    /// Read requests received.
    requests,
    /// Requests that cannot be read, are writes, or are not in octet mode.
    refused,
    /// Requests for a name that is not served.
    not_found,
    /// Requests dropped because too many transfers run.
    turned_back,
    /// Transfers that run now.
    running,
    /// Transfers whose last block was acknowledged.
    completed,
    /// Transfers that the client ended early, as firmware does to learn a size.
    aborted,
    /// Transfers whose client fell silent or whose content could not be read.
    failed,
    /// Content bytes of completed transfers.
    bytes,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
