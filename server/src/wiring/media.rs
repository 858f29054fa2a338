//! Where BMCs read the images of boots by virtual media, and whether it is they who ask.
//!
//! An address holds the host's id and a proof, made of the sealing key, the host and the epoch of its boot: so nothing is
//! kept of it, every server of a database knows it, and that of an earlier boot is void. Invariant: where there is no base
//! image, no address is given out.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use ring::hmac;
use underlay_core::{
    Object, ObjectId,
    bmc::{MediaAddress, MediaUrl, media_path},
    host::Host,
};
use underlay_metal::{http::iso::BASE, machine::BootUrl};
use underlay_store::SealingKey;

use super::boot_url::Ways;

/// Of a host's id without its dashes, and of a proof: 128 bits of it are more than anybody tries. BMCs were seen to cut
/// long addresses.
const PART: usize = 32;

/// Makes and checks the secrets in addresses.
#[derive(Clone)]
pub struct Secrets(hmac::Key);

impl Secrets {
    /// Of that sealing key.
    pub fn new(sealing: &SealingKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &sealing.derive("boot media")))
    }

    /// What the address of that boot holds.
    pub fn of(&self, host: ObjectId, epoch: i64) -> String {
        format!("{}{}", host.to_string().replace('-', ""), self.proof(host, epoch))
    }

    /// The host that a secret says it is of.
    pub fn host(secret: &str) -> Option<ObjectId> {
        secret.get(..PART).filter(|_| secret.len() == 2 * PART)?.parse().ok()
    }

    /// Is it that of this boot?
    pub fn is_genuine(&self, secret: &str, host: ObjectId, epoch: i64) -> bool {
        // Codes of the two are compared, which takes the same time whatever differs.
        let expected = hmac::sign(&self.0, self.of(host, epoch).as_bytes());
        hmac::verify(&self.0, secret.as_bytes(), expected.as_ref()).is_ok()
    }

    fn proof(&self, host: ObjectId, epoch: i64) -> String {
        let proof = hex::encode(hmac::sign(&self.0, format!("{host}/{epoch}").as_bytes()));
        proof.get(..PART).unwrap_or(&proof).to_owned()
    }
}

/// Gives the addresses out.
pub struct Images {
    /// The secrets in them.
    pub secrets: Secrets,
    /// The address under which BMCs reach this server, where that is not the one that hosts do.
    pub address: Option<IpAddr>,
    /// The ways of hosts.
    pub ways: Ways,
    /// Where the base image lies.
    pub ramdisk: PathBuf,
}

impl MediaAddress for Images {
    fn of(&self, host: &Object<Host>, epoch: i64) -> Result<MediaUrl, String> {
        let base = self.ramdisk.join(BASE);
        if !base.is_file() {
            let why = "there is no boot image in the server's ramdisk directory (boot.iso); make it with \
                       underlay ramdisk iso";
            return Err(why.into());
        }
        let server = match self.address {
            Some(address) => format!("http://{}", SocketAddr::new(address, self.ways.port)),
            None => self.ways.boot_url(&host.spec),
        };
        let path = media_path(&self.secrets.of(host.meta.id, epoch));
        Ok(MediaUrl(format!("{server}{path}").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(key: u8) -> Secrets {
        Secrets::new(&SealingKey::new(&[key; 32]))
    }

    #[test]
    fn a_secret_proves_one_boot_of_one_host() {
        let (one, other) = (ObjectId::new(), ObjectId::new());
        let given = secrets(1).of(one, 7);
        assert_eq!((Secrets::host(&given), given.len()), (Some(one), 64));
        assert!(secrets(1).is_genuine(&given, one, 7));
        assert!(!secrets(1).is_genuine(&given, one, 8), "another boot");
        assert!(!secrets(1).is_genuine(&given, other, 7), "another host");
        assert!(!secrets(2).is_genuine(&given, one, 7), "another key");
        let last = if given.ends_with('0') { "1" } else { "0" };
        let forged = format!("{}{last}", &given[..63]);
        assert!(!secrets(1).is_genuine(&forged, one, 7));
        for junk in ["", "zz", &given[1..], &format!("{given}0"), &"ä".repeat(32)] {
            assert_eq!(Secrets::host(junk), None, "{junk}");
        }
    }
}
