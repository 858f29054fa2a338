//! The server's time: taken from the wall clock once, when it is first asked for, and carried on by the monotonic one.
//!
//! Deadlines, leases and the order of what was seen are told by it. Somebody who sets the clock of a server that runs, by
//! a day or by ten years, therefore ends no deployment and wakes nobody early or never. A restart takes the wall clock
//! over; what the store then holds from the future is put right there.

use std::{sync::OnceLock, time::Instant};

use jiff::{SignedDuration, Timestamp};

static BEGAN: OnceLock<(Instant, Timestamp)> = OnceLock::new();

/// The present moment.
pub fn now() -> Timestamp {
    let (instant, moment) = BEGAN.get_or_init(|| (Instant::now(), Timestamp::now()));
    moment.checked_add(instant.elapsed()).unwrap_or(Timestamp::MAX)
}

/// How far the wall clock is ahead by now; below zero where it is behind.
pub fn wall_is_ahead() -> SignedDuration {
    Timestamp::now().duration_since(now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_stands_still_for_long_and_never_goes_back() {
        let moments: Vec<_> = (0..1000).map(|_| now()).collect();
        assert!(moments.is_sorted());
        assert!(wall_is_ahead().abs() < SignedDuration::from_secs(60), "nobody set the clock meanwhile");
    }
}
