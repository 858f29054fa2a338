//! A TPM's word for what the firmware started, bound to this boot's token and key.
//!
//! The key is a primary key of the endorsement hierarchy: restricted, never leaves the TPM, and is the same at every boot
//! until the TPM is cleared, so nothing is stored. What is told proves nothing by itself; the server checks it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use super::{
    ask, command,
    log::{self, Digest},
    response, template,
    transport::{Device, Transport},
    wire::{Malformed, Reader},
};

/// The kernel's device.
const DEVICE: &str = "/dev/tpmrm0";
const LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";
/// A log of a server has some 100 KiB.
const MOST_OF_LOG: u64 = 4 << 20;
/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a command is given that the TPM did not begin; the kernel's driver mostly does that for us.
const TRIES: u32 = 20;
/// TPMS_PCR_SELECTION of PCRs 4, 12 and 13 of SHA-256: programs, and what they were given beside themselves.
const PCRS: [u8; 6] = [0, 0x0b, 3, 0x10, 0x30, 0];

/// There is no quote.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TPM cannot be asked.
    #[error(transparent)]
    Ask(#[from] ask::Error),
    /// The firmware left no log.
    #[error("the firmware's event log cannot be read")]
    ReadLog(#[source] io::Error),
    /// The log is not one.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// A quote, and what it takes to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The key's public point, uncompressed.
    pub key: Vec<u8>,
    /// TPMS_ATTEST.
    pub attest: Vec<u8>,
    /// r and s.
    pub signature: Vec<u8>,
    /// What went into PCR 4, in order.
    pub started: Vec<Digest>,
}

/// Asks this machine's TPM for one that is bound to that; none where the machine has no TPM.
///
/// # Errors
/// It cannot be asked, or nobody says what was started.
pub fn of_this_machine(binding: &[u8; 32]) -> Result<Option<Quote>, Error> {
    let device = match Device::open(Path::new(DEVICE), PATIENCE) {
        Ok(device) => device,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ask::Error::Exchange(error).into()),
    };
    let mut quote = read(&mut ask::Tpm(device), binding)?;
    let log = File::open(LOG).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(MOST_OF_LOG).read_to_end(&mut bytes).map(|_| bytes)
    });
    quote.started = log::started(&log.map_err(Error::ReadLog)?)?;
    Ok(Some(quote))
}

/// Asks a TPM; of what was started nothing is told yet.
///
/// # Errors
/// It cannot be asked.
pub fn read<T: Transport>(tpm: &mut ask::Tpm<T>, binding: &[u8; 32]) -> Result<Quote, ask::Error> {
    let create = command::create_primary(command::ENDORSEMENT, &template::quotes());
    let (handle, key) = patiently(tpm, &create, |body| {
        let (handle, public) = response::primary(body)?;
        Ok((handle, template::point(public)))
    })?;
    // Whatever comes of it, the key is let go.
    let quoted = match key {
        Ok(key) => patiently(tpm, &command::quote(handle, binding, &PCRS), |body| {
            let (attest, signature) = response::quoted(body)?;
            let (key, attest, signature) = (key.to_vec(), attest.to_vec(), signature.to_vec());
            Ok(Quote { key, attest, signature, started: Vec::new() })
        }),
        Err(malformed) => Err(malformed.into()),
    };
    tpm.ask(&command::flush_context(handle), |body| body.end())?;
    quoted
}

/// Asks again for as long as the TPM says that it has not begun.
fn patiently<T: Transport, R>(
    tpm: &mut ask::Tpm<T>,
    command: &[u8],
    read: impl Fn(Reader<'_>) -> Result<R, Malformed>,
) -> Result<R, ask::Error> {
    for _ in 1..TRIES {
        match tpm.ask(command, &read) {
            Err(ask::Error::Refused(code)) if code.is_retry() => {}
            done => return done,
        }
    }
    tpm.ask(command, read)
}
