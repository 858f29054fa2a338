//! One call at a time per BMC, with a pause between calls: BMCs freeze under bursts.
//!
//! Every call ends within [`CALL_LIMIT`] of being asked for, time spent waiting for its turn included. A caller that
//! goes away leaves the queue, and drops its call with it; the next in line goes on.

use std::{future::Future, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep_until, timeout_at},
};
use underlay_core::bmc::{CALL_LIMIT, Error};

/// The queue in front of one BMC.
pub(super) struct Queue {
    address: String,
    pause: Duration,
    /// When the last call ended.
    line: Mutex<Option<Instant>>,
}

/// The turn of one call; however it ends, the pause begins there.
struct Turn<'a>(MutexGuard<'a, Option<Instant>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0 = Some(Instant::now());
    }
}

/// The call did not end in time.
#[derive(Debug, thiserror::Error)]
#[error("the call was given up after {} s", CALL_LIMIT.as_secs())]
struct Overdue;

impl Queue {
    /// A queue in front of `address` that leaves `pause` between two calls.
    pub(super) fn new(address: String, pause: Duration) -> Self {
        Self { address, pause, line: Mutex::new(None) }
    }

    /// Make `call` when its turn comes.
    ///
    /// # Errors
    /// What the call says; [`Error::Busy`] when its turn did not come in time, [`Error::Unreachable`] when it did not
    /// end in time.
    pub(super) async fn run<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let deadline = Instant::now() + CALL_LIMIT;
        let busy = || Error::Busy {
            address: self.address.clone(),
            why: format!("earlier calls kept this one waiting for {} s", CALL_LIMIT.as_secs()),
        };
        let turn = timeout_at(deadline, self.line.lock()).await.map_err(|_| busy())?;
        if let Some(ended) = *turn {
            timeout_at(deadline, sleep_until(ended + self.pause)).await.map_err(|_| busy())?;
        }
        let _turn = Turn(turn);
        timeout_at(deadline, call).await.unwrap_or_else(|_| {
            Err(Error::Unreachable { address: self.address.clone(), source: Some(Box::new(Overdue)) })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    const PAUSE: Duration = Duration::from_millis(200);

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new("bmc-1".into(), PAUSE))
    }

    #[tokio::test(start_paused = true)]
    async fn calls_do_not_overlap_and_keep_the_pause() {
        let (queue, inside) = (queue(), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let calls = (0..5).map(|_| {
            let inside = inside.clone();
            queue.run(async move {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two calls at once");
                tokio::time::sleep(Duration::from_millis(100)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        });
        let results = futures::future::join_all(calls).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(began.elapsed(), Duration::from_millis(5 * 100) + PAUSE * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_call_is_given_up_and_the_next_one_goes_on() {
        let queue = queue();
        let began = Instant::now();
        let hung = queue.run(pending::<Result<(), Error>>()).await;
        assert!(matches!(hung, Err(Error::Unreachable { .. })), "{hung:?}");
        assert_eq!(began.elapsed(), CALL_LIMIT);
        assert_eq!(queue.run(async { Ok(7) }).await.ok(), Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_does_not_wedge_the_queue() {
        let queue = queue();
        let gone = {
            let queue = queue.clone();
            tokio::spawn(async move { queue.run(pending::<Result<(), Error>>()).await })
        };
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err_and(|error| error.is_cancelled()));
        let began = Instant::now();
        assert_eq!(queue.run(async { Ok(7) }).await.ok(), Some(7));
        assert!(began.elapsed() <= PAUSE, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_turn_counts_towards_the_limit() {
        let queue = queue();
        let began = Instant::now();
        let calls = (0..3).map(|_| queue.run(pending::<Result<(), Error>>()));
        let results = futures::future::join_all(calls).await;
        assert_eq!(began.elapsed(), CALL_LIMIT);
        assert!(matches!(results[0], Err(Error::Unreachable { .. })));
        assert!(results[1..].iter().all(|result| matches!(result, Err(Error::Busy { .. }))), "{results:?}");
    }
}
