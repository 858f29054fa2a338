//! `underlay host screenshot HOST --file FILE`: what its screen shows, into a file that was not there.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use clap::Args;
use underlay_proto::v1::{ScreenshotRequest, host_service_client::HostServiceClient};

use super::Shared;
use crate::{connect::ANSWER, exit::Error, name};

/// Which, and where to.
#[derive(Args, Debug)]
pub(super) struct Screenshot {
    /// NAME, host/NAME, host/mac/MAC, host/serial/SERIAL or host/uuid/UUID
    host: String,
    /// The PNG; a file that is there is not written over, and only its owner may read it
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(screenshot: Screenshot, shared: Shared) -> Result<(), Error> {
    let named = super::host::in_full(screenshot.host);
    let object = name::object(&named, &shared.target.site, &shared.target.owner)?;
    let mut client = HostServiceClient::new(shared.target.connect().await?).max_decoding_message_size(ANSWER);
    let request = ScreenshotRequest { selector: object.selector };
    let answer = client.screenshot(request).await?.into_inner();
    let path = screenshot.file.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&screenshot.file)
        .map_err(|error| Error::Usage(format!("{path}: {error}")))?;
    file.write_all(&answer.png).map_err(|error| Error::Usage(format!("{path}: {error}")))?;
    println!("{path}: {} bytes", answer.png.len());
    Ok(())
}
