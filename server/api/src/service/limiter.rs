//! Holds back callers who need no credentials: a token bucket, and for each key a least time between calls.
//!
//! Memory is bounded: where too many keys are remembered, new ones are refused until old ones have passed.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A bucket that fills by `rate` a second up to `burst`.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, level: Mutex::new((burst, Instant::now())) }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&self) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (left, since) = *level;
        let filled = (left + self.rate * now.duration_since(since).as_secs_f64()).min(self.burst);
        let taken = filled >= 1.0;
        *level = (if taken { filled - 1.0 } else { filled }, now);
        taken
    }
}

/// At most one call per key and `pause`.
#[derive(Debug)]
pub(crate) struct PerKey<K> {
    pause: Duration,
    keys: usize,
    last: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> PerKey<K> {
    /// Remembers at most `keys` keys.
    pub(crate) fn new(pause: Duration, keys: usize) -> Self {
        Self { pause, keys, last: Mutex::new(HashMap::new()) }
    }

    /// May `key` call now?
    pub(crate) fn take(&self, key: K) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if last.get(&key).is_some_and(|at| now.duration_since(*at) < self.pause) {
            return false;
        }
        if last.len() >= self.keys {
            last.retain(|_, at| now.duration_since(*at) < self.pause);
        }
        if last.len() >= self.keys {
            return false;
        }
        last.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_runs_dry_and_fills_again() {
        let bucket = Bucket::new(2.0, 3.0);
        assert_eq!((0..5).filter(|_| bucket.take()).count(), 3);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..5).filter(|_| bucket.take()).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_waits_its_own_time() {
        let limiter = PerKey::new(Duration::from_secs(10), 10);
        assert!(limiter.take(1) && !limiter.take(1) && limiter.take(2));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(limiter.take(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_keys_is_refused_and_forgotten() {
        let limiter = PerKey::new(Duration::from_secs(10), 10);
        assert_eq!((0..100).filter(|key| limiter.take(*key)).count(), 10);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(limiter.take(1000));
    }
}
