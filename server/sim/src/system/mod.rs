//! The installed system: starts from a disk that holds a whole image and a seed, reads the seed, and calls home once per
//! instance with host keys of its own, as cloud-init does.
//!
//! - [`seed`]: reading the seed's file system; [`files`]: the files it makes the system write

pub mod files;
pub mod seed;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    boot::http::{self, Nic},
    dice,
    machine::{Life, Stage},
};

/// cloud-init's pause between two calls.
const AGAIN: Duration = Duration::from_secs(3);

/// It did not come up as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing on the disk to start.
    #[error("{0}")]
    NotBootable(&'static str),
    /// The seed makes no sense.
    #[error("the seed cannot be read")]
    Seed(#[source] seed::Error),
    /// Nobody takes the call.
    #[error("the call home did not get through")]
    Call(#[source] http::Error),
    /// A fault keeps it from calling.
    #[error("it does not call home")]
    Silent,
}

/// Start what is on the machine's disk; it is up when this returns.
///
/// # Errors
/// It is not bootable; or it is up, and something else is wrong.
pub async fn start(life: &Life) -> Result<(), Error> {
    let (disk, volume, done) = find(life)?;
    life.enters(Stage::Starting);
    life.rack.takes(&life.machine, &life.rack.pace().system).await;
    let seed = volume.read().map_err(Error::Seed)?;
    if done.as_deref() == Some(seed.instance.as_str()) {
        return Ok(());
    }
    if life.rack.faults.is_silent(&life.machine) {
        return Err(Error::Silent);
    }
    // It is up before anybody hears of that: whoever was called must not find it starting.
    life.enters(Stage::System);
    if let Some(url) = &seed.phone_home {
        call(life, url, &seed).await?;
    }
    life.change(|state| {
        if let Some(content) = state.disks.get_mut(disk) {
            content.instance = Some(seed.instance.clone());
        }
    });
    Ok(())
}

/// The first disk that starts, with its seed and the instance whose once-only parts are done.
fn find(life: &Life) -> Result<(usize, Arc<seed::Volume>, Option<String>), Error> {
    let state = life.machine.state();
    let mut flaw = "there is no disk";
    for (position, disk) in state.disks.iter().enumerate() {
        match (disk.flaw(), &disk.seed) {
            (None, Some(seed)) => return Ok((position, seed.clone(), disk.instance.clone())),
            (Some(found), _) if position == 0 || disk.image.is_some() => flaw = found,
            _ => {}
        }
    }
    Err(Error::NotBootable(flaw))
}

async fn call(life: &Life, url: &str, seed: &seed::Seed) -> Result<(), Error> {
    let form = format!(
        "pub_key_ed25519={}&instance_id={}&hostname={}",
        encoded(&host_key(life, &seed.instance)),
        encoded(&seed.instance),
        encoded(&seed.hostname)
    );
    let mut tries = seed.tries.clamp(1, 20);
    loop {
        tries -= 1;
        match Nic::of(&life.rack, &life.machine).post_form(url, form.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if tries == 0 => return Err(Error::Call(error)),
            Err(error) => {
                let error = underlay_core::because(&error);
                tracing::debug!(machine = life.machine.name(), error, "the call home is tried again");
                life.rack.pauses(AGAIN).await;
            }
        }
    }
}

/// A host key in form, made anew for each instance. Nobody holds its private half, since nobody can log in here.
fn host_key(life: &Life, instance: &str) -> String {
    let own = instance.bytes().map(u64::from).collect::<Vec<_>>();
    let mut blob = vec![0, 0, 0, 11];
    blob.extend_from_slice(b"ssh-ed25519");
    blob.extend_from_slice(&[0, 0, 0, 32]);
    for word in 0..4 {
        let seed = dice::throw(life.rack.spec.seed, &[u64::from(life.machine.index), word]);
        blob.extend_from_slice(&dice::throw(seed, &own).to_be_bytes());
    }
    format!("ssh-ed25519 {} root@{}", STANDARD.encode(blob), life.machine.name())
}

/// Percent-encoding of everything that is not plain.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_field_is_encoded() {
        assert_eq!(encoded("ssh-ed25519 AA+/= r"), "ssh-ed25519%20AA%2B%2F%3D%20r");
    }
}
