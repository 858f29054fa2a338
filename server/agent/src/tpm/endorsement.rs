//! What a TPM is known by: the certificate of its endorsement key, as its maker wrote it into the TPM (TCG PC Client Platform TPM
//! Profile, 7.4.5; EK Credential Profile, 2.2.1.4), or else the key itself.
//!
//! The same TPM says the same each time: the ways are tried in a fixed order, and the next one only where the TPM has
//! answered that this one does not exist. Where it does not answer, nothing is known.

use std::{path::Path, time::Duration};

use ring::digest::{SHA256, digest};
use underlay_core::{
    agent::{Endorsement, endorsement::Source},
    image::Sha256,
};

use super::{
    ask::{Error, Tpm},
    command, template,
    transport::{Device, Transport},
};

/// Where the certificates are.
const CERTIFICATES: [(u32, Source); 2] =
    [(0x01c0_0002, Source::RsaCertificate), (0x01c0_000a, Source::EccCertificate)];
/// No certificate is longer.
const LONGEST: u16 = 8 << 10;
/// The kernel's device.
const DEVICE: &str = "/dev/tpmrm0";
/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks this machine's TPM.
///
/// # Errors
/// It cannot be asked.
pub fn of_this_machine() -> Result<Option<Endorsement>, Error> {
    let device = Device::open(Path::new(DEVICE), PATIENCE).map_err(Error::Exchange)?;
    read(&mut Tpm(device))
}

/// Asks a TPM; nothing where it has none of what is looked for.
///
/// # Errors
/// It cannot be asked.
pub fn read<T: Transport>(tpm: &mut Tpm<T>) -> Result<Option<Endorsement>, Error> {
    for (index, source) in CERTIFICATES {
        if let Some(certificate) = tpm.nv(index, LONGEST)?.as_deref().and_then(der) {
            return Ok(Some(named(source, certificate)));
        }
    }
    // ECC first: it is made in a moment, an RSA key takes some TPMs half a minute.
    for (template, source) in
        [(template::ecc_endorsement(), Source::EccKey), (template::rsa_endorsement(), Source::RsaKey)]
    {
        match tpm.primary(command::ENDORSEMENT, &template) {
            Ok(public) => return Ok(Some(named(source, &public))),
            Err(Error::Refused(code)) if code.is_unsupported() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn named(source: Source, bytes: &[u8]) -> Endorsement {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Endorsement { source, sha256: Sha256::from_bytes(sha256) }
}

/// The certificate without what pads the index behind it: a DER sequence of two bytes' length, as every certificate is.
pub fn der(bytes: &[u8]) -> Option<&[u8]> {
    let [0x30, 0x82, high, low, ..] = *bytes else { return None };
    bytes.get(..usize::from(u16::from_be_bytes([high, low])) + 4)
}
