//! The drives of a host that never ran the agent, asked of its BMC once, so that claims with a need for disks know it.
//!
//! They are a claim like all that a BMC tells, and less than what the agent finds: behind a RAID controller the system sees
//! volumes, and some BMCs list nothing while it is off. What cannot be read whole is not known, and never keeps a host from
//! being enrolled. A slow BMC's call is given up in the middle; the next one goes on where it stopped.

use tokio::sync::Mutex;
use underlay_core::{Bytes, bmc::Error};

use super::{
    client::Client,
    model::{Drive, Storage},
};

/// What is read at most.
const MOST_DRIVES: usize = 64;
/// Calls that may end without an answer before it is left alone.
const TRIES: u32 = 5;

/// Kind and size of each drive.
type Found = Vec<(String, Bytes)>;

/// What was read of them.
#[derive(Default)]
pub(super) struct Drives(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    /// Nobody asks.
    #[default]
    Unwanted,
    Reading(Reading),
    Done(Option<Found>),
}

#[derive(Default)]
struct Reading {
    tries: u32,
    /// `None` until they are listed.
    controllers: Option<Vec<String>>,
    unread: Vec<String>,
    found: Found,
}

impl Drives {
    /// To be read at the next occasion.
    pub(super) fn wanted() -> Self {
        Self(Mutex::new(Stage::Reading(Reading::default())))
    }

    /// The drives under the system's `storage`; `None` where they are not known.
    ///
    /// # Errors
    /// The BMC fell silent or is busy: the next call goes on.
    pub(super) async fn read(&self, client: &Client, storage: Option<&str>) -> Result<Option<Found>, Error> {
        let mut stage = self.0.lock().await;
        let reading = match &mut *stage {
            Stage::Unwanted => return Ok(None),
            Stage::Done(found) => return Ok(found.clone()),
            Stage::Reading(reading) => reading,
        };
        reading.tries += 1;
        let found = match reading.go_on(client, storage).await {
            Ok(()) => Some(std::mem::take(&mut reading.found)).filter(|found| !found.is_empty()),
            Err(error @ (Error::Unreachable { .. } | Error::Busy { .. })) if reading.tries < TRIES => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(error = underlay_core::because(&error), "the drives cannot be read");
                None
            }
        };
        *stage = Stage::Done(found.clone());
        Ok(found)
    }
}

impl Reading {
    async fn go_on(&mut self, client: &Client, storage: Option<&str>) -> Result<(), Error> {
        let Some(storage) = storage else { return Ok(()) };
        if self.controllers.is_none() {
            self.controllers = Some(client.members(storage).await?);
        }
        let controllers = self.controllers.get_or_insert_default();
        while let Some(path) = controllers.last() {
            let (controller, _) = client.get::<Storage>(path).await?;
            self.unread.extend(controller.drives.into_iter().map(|link| link.path));
            if self.unread.len() > MOST_DRIVES {
                return Err(client.nonsense(path, format!("more than {MOST_DRIVES} drives")));
            }
            controllers.pop();
        }
        while let Some(path) = self.unread.last() {
            let (drive, _) = client.get::<Drive>(path).await?;
            self.found.extend(disk(&drive));
            self.unread.pop();
        }
        Ok(())
    }
}

/// Kind and size as the agent would name them; empty bays and what is plugged in from outside are no disks.
fn disk(drive: &Drive) -> Option<(String, Bytes)> {
    let is_absent = drive.status.as_ref().is_some_and(|status| status.state.as_deref() == Some("Absent"));
    let size = drive.capacity_bytes.filter(|size| *size > 0 && !is_absent)?;
    let kind = match (drive.protocol.as_deref(), drive.media_type.as_deref()) {
        (Some("USB" | "iSCSI" | "FC" | "FCoE" | "NVMeOverFabrics"), _) => return None,
        (Some("NVMe"), _) => "nvme",
        (_, Some("SSD")) => "ssd",
        (_, Some("HDD")) => "hdd",
        _ => "unknown",
    };
    Some((kind.into(), Bytes(size)))
}
