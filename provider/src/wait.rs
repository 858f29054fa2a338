//! Waiting for an object to come to rest or to be gone, on the server's change feed.
//!
//! Losing the line does not end the wait: it is taken up again until patience ends. Nothing here fails the object; whoever
//! waited decides what the end means.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use underlay_proto::v1 as pb;

use crate::{
    client::Client,
    noun::{News, Noun, Watch},
};

/// How long the server may be unreachable before the wait is given up; it is given back with every answer.
const OUTAGE: Duration = Duration::from_secs(120);
/// Between attempts to reach the server again.
const AGAIN: Duration = Duration::from_secs(1);

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum End {
    /// What was waited for is so.
    Reached,
    /// The object is gone.
    Gone,
    /// The user interrupted.
    Interrupted,
    /// Time ran out.
    Late(Duration),
    /// The server refused, or could not be reached for too long.
    Lost(Status),
}

/// A wait that ended, and the object as it was last seen.
#[derive(Debug)]
pub(crate) struct Waited<N> {
    pub(crate) last: Option<N>,
    pub(crate) end: End,
}

/// What to wait for, and how long.
pub(crate) struct Wish<'a, N> {
    /// The object's id.
    pub(crate) id: &'a str,
    /// What is waited for.
    pub(crate) until: &'a (dyn Fn(&N) -> bool + Send + Sync),
    /// How long.
    pub(crate) limit: Duration,
    /// The user's interrupt.
    pub(crate) stop: &'a CancellationToken,
}

/// Whether nothing is under way any more for this generation.
pub(crate) fn is_at_rest<N: Noun>(object: &N, generation: i64) -> bool {
    object.standing().settled && object.meta().observed_generation >= generation
}

/// Whether it stands as it should, or no apply can help it.
pub(crate) fn is_good<N: Noun>(object: &N) -> bool {
    let standing = object.standing();
    let aside = N::ASIDE == Some(standing.phase.as_str());
    aside || (standing.phase == N::GOOD && standing.failure.is_none())
}

/// Waits until the object is as wished.
pub(crate) async fn until<N: Noun>(client: &Client, wish: Wish<'_, N>) -> Waited<N> {
    let mut last = None;
    let end = tokio::select! {
        biased;
        end = follow(client, &wish, &mut last) => end,
        () = wish.stop.cancelled() => End::Interrupted,
    };
    Waited { last, end }
}

async fn follow<N: Noun>(client: &Client, wish: &Wish<'_, N>, last: &mut Option<N>) -> End {
    let deadline = Instant::now() + wish.limit;
    let mut lost_at = None;
    loop {
        let selector = Some(pb::Selector { by: Some(pb::selector::By::Id(wish.id.to_owned())) });
        let request = pb::WatchRequest { selector, ..Default::default() };
        let outcome = timeout_at(deadline, async {
            let mut watch = N::watch(client, request).await?;
            listen(&mut watch, wish, last, &mut lost_at).await
        });
        match outcome.await {
            Err(_) => return End::Late(wish.limit),
            Ok(Ok(Some(end))) => return end,
            Ok(Err(status)) if status.code() == Code::NotFound => return End::Gone,
            Ok(Err(status)) if !is_passing(status.code()) => return End::Lost(status),
            Ok(Err(status)) => {
                if lost_at.get_or_insert_with(Instant::now).elapsed() > OUTAGE {
                    return End::Lost(status);
                }
            }
            Ok(Ok(None)) => {}
        }
        if timeout_at(deadline, sleep(AGAIN)).await.is_err() {
            return End::Late(wish.limit);
        }
    }
}

/// Listens until the wish is fulfilled; `None` when the stream has to be opened anew.
async fn listen<N: Noun>(
    watch: &mut Watch<N>,
    wish: &Wish<'_, N>,
    last: &mut Option<N>,
    lost_at: &mut Option<Instant>,
) -> Result<Option<End>, Status> {
    while let Some(news) = watch.next().await? {
        *lost_at = None;
        let object = match news {
            News::Object(object) if object.meta().id == wish.id => *object,
            News::Object(_) | News::Complete => continue,
            News::Resync => return Ok(None),
        };
        if object.meta().purged_at.is_some() {
            *last = Some(object);
            return Ok(Some(End::Gone));
        }
        let standing = object.standing();
        tracing::info!(kind = N::KIND, name = name(&object), phase = standing.phase, "object moved");
        if standing.held.is_some() {
            tracing::warn!(
                kind = N::KIND,
                name = name(&object),
                why = standing.waiting_for,
                "object is held back"
            );
        }
        let is_reached = (wish.until)(&object);
        *last = Some(object);
        if is_reached {
            return Ok(Some(End::Reached));
        }
    }
    Ok(None)
}

fn name<N: Noun>(object: &N) -> &str {
    object.meta().key.as_ref().map_or("", |key| &key.name)
}

/// Worth another attempt: the server is away, or ended the stream.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Internal
    )
}
