//! A stream that a task of its own fills: it ends when the caller hangs up or the server stops, and its task is joined.

use std::{future::Future, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::{context::Context, errors::Error};

/// The answer of a streaming call.
pub(super) type Events<E> = ReceiverStream<Result<E, Status>>;
/// Where its task puts events; waits for a slow caller.
pub(super) type Sender<E> = mpsc::Sender<Result<E, Status>>;

/// How long a caller that does not read is waited for, to tell it why the stream ends.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs `fill` until it ends; at most `waiting` events wait for a slow caller.
pub(super) fn spawn<E, Fill, Filling>(context: &Context, waiting: usize, fill: Fill) -> Events<E>
where
    E: Send + 'static,
    Fill: FnOnce(Context, Sender<E>) -> Filling,
    Filling: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (events, stream) = mpsc::channel(waiting);
    let stop = context.stop.clone();
    let filling = fill(context.clone(), events.clone());
    context.tasks.spawn(async move {
        let ended = tokio::select! {
            () = stop.cancelled() => Err(Error::Unavailable("the server is stopping; call again")),
            () = events.closed() => return,
            ended = filling => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a stream ends");
            let _ = events.send_timeout(Err(error.into()), GOODBYE).await;
        }
    });
    ReceiverStream::new(stream)
}
