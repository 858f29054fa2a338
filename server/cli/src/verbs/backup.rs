//! `underlay backup FILE`: the server's database as it is at one moment. The file appears under its name whole or not at
//! all, and only its owner can read it.

use std::{io::Write, path::PathBuf};

use anyhow::Context;
use clap::Args;
use underlay_proto::v1::{BackupRequest, server_service_client::ServerServiceClient};

use super::Shared;
use crate::{connect::ANSWER, exit::Error, output};

/// Where to.
#[derive(Args, Debug)]
pub struct Backup {
    /// Where to; must not be there yet
    file: PathBuf,
}

pub(super) async fn run(backup: Backup, shared: Shared) -> Result<(), Error> {
    let path = backup.file;
    if path.exists() {
        return Err(Error::Usage(format!("{} is there already; name another file", path.display())));
    }
    let mut client =
        ServerServiceClient::new(shared.target.connect().await?).max_decoding_message_size(ANSWER);
    let mut parts = client.backup(BackupRequest {}).await?.into_inner();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
    // Made with mode 0600, and gone if the copy does not come to its end.
    let mut part = tempfile::NamedTempFile::new_in(&folder)
        .with_context(|| format!("making a file in {}", folder.display()))?;
    let (mut written, mut total) = (0_u64, 0_u64);
    while let Some(piece) = parts.message().await? {
        total = total.max(piece.total);
        written += piece.data.len() as u64;
        part.write_all(&piece.data).context("writing the copy")?;
    }
    if written != total {
        return Err(
            anyhow::anyhow!("the copy ended after {written} of {total} bytes; nothing was kept").into()
        );
    }
    part.as_file().sync_all().context("writing the copy")?;
    part.persist_noclobber(&path).with_context(|| format!("naming the copy {}", path.display()))?;
    println!("{}: {}", path.display(), output::size(written));
    println!("Keep it apart from the sealing key; to put it back: underlay restore {}", path.display());
    Ok(())
}
