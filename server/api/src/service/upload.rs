//! Receives the source of an image, piece by piece.

use std::time::Duration;

use tonic::Streaming;
use underlay_core::image::Sha256;
use underlay_proto::v1::{self as pb, upload_request::Part};

use crate::{context::Context, errors::Error, ports::UploadError};

/// The largest piece, in bytes.
const PIECE: usize = 1 << 20;
/// How long the next piece may take; a sender that stopped keeps no file open.
const PATIENCE: Duration = Duration::from_secs(120);

/// Receives one source to its end.
pub(super) async fn receive(
    context: &Context,
    mut parts: Streaming<pb::UploadRequest>,
) -> Result<pb::UploadResponse, Error> {
    let Some(Part::Sha256(text)) = next(context, &mut parts).await? else {
        return Err(Error::field("sha256", "comes first: what the whole must hash to"));
    };
    let sha256: Sha256 = text.parse().map_err(|_| Error::field("sha256", "needs 64 hexadecimal digits"))?;
    let mut receiving = context.ports.uploads.begin(sha256).await.map_err(failed)?;
    loop {
        match next(context, &mut parts).await? {
            Some(Part::Data(bytes)) if bytes.len() <= PIECE => {
                receiving.write(&bytes).await.map_err(failed)?
            }
            Some(Part::Data(_)) => {
                return Err(Error::field("data", format!("a piece has at most {PIECE} bytes")));
            }
            Some(Part::Sha256(_)) => return Err(Error::field("sha256", "comes once")),
            None => break,
        }
    }
    let size = receiving.finish().await.map_err(failed)?;
    tracing::info!(%sha256, size, "received the source of an image");
    Ok(pb::UploadResponse { url: format!("upload://sha256/{sha256}"), size })
}

/// The next piece; `None` at the end.
async fn next(context: &Context, parts: &mut Streaming<pb::UploadRequest>) -> Result<Option<Part>, Error> {
    let message = tokio::select! {
        () = context.stop.cancelled() => return Err(Error::Unavailable("the server is stopping; upload again")),
        message = tokio::time::timeout(PATIENCE, parts.message()) => message,
    };
    match message {
        Ok(Ok(Some(message))) => {
            message.part.map(Some).ok_or_else(|| Error::field("part", "is neither digest nor data"))
        }
        Ok(Ok(None)) => Ok(None),
        Ok(Err(_)) => Err(Error::Unavailable("the upload broke off; upload again")),
        Err(_) => Err(Error::Unavailable("no data came for two minutes; upload again")),
    }
}

fn failed(error: UploadError) -> Error {
    match error {
        UploadError::Mismatch { .. } => Error::field("sha256", error.to_string()),
        UploadError::TooLarge { .. } => Error::field("data", error.to_string()),
        UploadError::Write(source) => Error::File { doing: "writing an upload", source },
    }
}
