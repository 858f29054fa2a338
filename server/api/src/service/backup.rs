//! A copy of the database, made beside it and sent to the caller piece by piece. Nothing of it stays here.

use tokio::io::AsyncReadExt;
use underlay_core::{ErrorKind, Failure};
use underlay_proto::v1 as pb;

use super::stream::{self, Events};
use crate::{context::Context, errors::Error};

/// The size of a piece, in bytes.
const PIECE: usize = 1 << 20;

/// Copies the database and begins to send the copy.
pub(super) async fn backup(context: &Context) -> Result<Events<pb::BackupPart>, Error> {
    let failed = |doing| move |source| Error::File { doing, source };
    let folder = &context.config.scratch;
    tokio::fs::create_dir_all(folder).await.map_err(failed("making the directory for copies"))?;
    // Gone with the last handle, however the stream ends.
    let folder = tempfile::Builder::new()
        .prefix("backup-")
        .tempdir_in(folder)
        .map_err(failed("making a directory for the copy"))?;
    let path = folder.path().join("underlay.db");
    match context.store.backup(&path).await {
        Err(underlay_store::Error::NoBackup) => return Err(elsewhere()),
        other => other?,
    }
    let mut file = tokio::fs::File::open(&path).await.map_err(failed("opening the copy"))?;
    let total = file.metadata().await.map_err(failed("opening the copy"))?.len();
    Ok(stream::spawn(context, 4, move |_, parts| async move {
        let _folder = folder;
        let mut is_first = true;
        loop {
            let mut data = Vec::with_capacity(PIECE);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut data).await;
            let read = read.map_err(failed("reading the copy"))?;
            if read == 0 && !is_first {
                return Ok(());
            }
            let part = pb::BackupPart { data, total: if is_first { total } else { 0 } };
            is_first = false;
            if parts.send(Ok(part)).await.is_err() {
                return Ok(());
            }
        }
    }))
}

fn elsewhere() -> Error {
    let failure = Failure::new(
        ErrorKind::Invalid,
        "backing the server up",
        "its database is a Postgres, which has better tools for that",
        "nothing was copied",
        "run: pg_dump --format=custom --file=underlay.dump \"$UNDERLAY_DATABASE\"; and after a pg_restore, before any \
         server starts: underlay restore --in-place",
    );
    Error::Precondition(Box::new(failure))
}
