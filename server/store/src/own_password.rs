//! The passwords of their own that BMCs of hosts have: drawn here, sealed with their hosts, and kept for as long as a BMC may
//! have one, beyond the host's own end.

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use underlay_core::{Key, Kind, ObjectId, host::OWN_PASSWORD};

use crate::{Error, Record, Store, object::record::select_records, secret, sql, transaction::Write};

/// As many characters as every BMC takes: IPMI 1.5 holds 16, IPMI 2.0 holds 20.
const LENGTH: usize = 16;
/// Of each of these at least one. What is read for another on a screen is left out.
const CLASSES: [&[u8]; 3] = [b"abcdefghijkmnopqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789"];

/// The host whose BMC has, or may have, a password of its own.
#[derive(Debug)]
pub struct Kept {
    /// The host, or its tombstone.
    pub host: Record,
    /// The password.
    pub password: SecretString,
}

/// A password that nobody knows: 16 letters and digits, of some 92 bits.
fn draw() -> SecretString {
    let letters = CLASSES.concat();
    loop {
        let drawn: Vec<u8> = (0..LENGTH).map(|_| one_of(&letters)).collect();
        if CLASSES.iter().all(|class| drawn.iter().any(|one| class.contains(one))) {
            return drawn.iter().map(|one| char::from(*one)).collect::<String>().into();
        }
    }
}

/// Each as likely as the others.
fn one_of(letters: &[u8]) -> u8 {
    loop {
        let mut byte = [0_u8];
        SystemRandom::new().fill(&mut byte).expect("the kernel's random source does not fail once it is up");
        // Six bits are cut off at the number of letters: what is beyond is thrown again.
        if let Some(letter) = letters.get(usize::from(byte[0] & 0x3f)) {
            return *letter;
        }
    }
}

/// Draws one for `host`, unless it has one.
pub(crate) async fn keep(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    let sealed = secret::seal(write, host, OWN_PASSWORD, &draw());
    sql::query("INSERT INTO secret (id, name, sealed) VALUES ($1, $2, $3) ON CONFLICT (id, name) DO NOTHING")
        .bind(host.to_string())
        .bind(OWN_PASSWORD)
        .bind(sealed)
        .execute(write.connection())
        .await
        .map_err(Error::doing("keeping a password for a BMC"))
        .map(drop)
}

/// Forgets that of `host`.
pub(crate) async fn forget(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    sql::query("DELETE FROM secret WHERE id = $1 AND name = $2")
        .bind(host.to_string())
        .bind(OWN_PASSWORD)
        .execute(write.connection())
        .await
        .map_err(Error::doing("forgetting a password of a BMC"))
        .map(drop)
}

impl Store {
    /// The passwords that BMCs of the host of this name have or may have: of the one that lives, and of those that are gone
    /// and whose BMC was not given the credential's back. The newest comes first.
    ///
    /// # Errors
    /// [`Error::Unseal`], what is stored does not read, or the database fails.
    pub async fn own_passwords(&self, key: &Key) -> Result<Vec<Kept>, Error> {
        let rows = sql::query(select_records!(
            "WHERE o.kind = $1 AND o.site = $2 AND o.owner = $3 AND o.name = $4 \
             AND EXISTS (SELECT 1 FROM secret s WHERE s.id = o.id AND s.name = $5) \
             ORDER BY o.created_at DESC, o.id DESC LIMIT 100"
        ))
        .bind(Kind::Host.as_str())
        .bind(key.site.as_str())
        .bind(key.owner.as_str())
        .bind(key.name.as_str())
        .bind(OWN_PASSWORD)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("reading the passwords of BMCs"))?;
        let mut found = Vec::new();
        for row in &rows {
            let record = Record::read(row)?;
            let Some(password) = self.secret(record.id(), OWN_PASSWORD).await? else { continue };
            found.push(Kept { host: record, password });
        }
        Ok(found)
    }

    /// Forgets those of hosts of this name that are gone; how many that were. The one of a host that lives stays.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_own_passwords(&self, key: &Key) -> Result<u64, Error> {
        let mut write = self.write().await?;
        let gone = sql::query(
            "DELETE FROM secret WHERE name = $5 AND id IN (SELECT id FROM object WHERE kind = $1 AND site = $2 \
             AND owner = $3 AND name = $4 AND purged_at IS NOT NULL)",
        )
        .bind(Kind::Host.as_str())
        .bind(key.site.as_str())
        .bind(key.owner.as_str())
        .bind(key.name.as_str())
        .bind(OWN_PASSWORD)
        .execute(write.connection())
        .await
        .map_err(Error::doing("forgetting passwords of BMCs"))?;
        write.commit_quietly().await?;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_password_is_one_that_bmcs_take_and_another_one() {
        let letters = CLASSES.concat();
        assert!(letters.len() <= 0x40, "six bits tell them apart");
        let drawn: BTreeSet<String> = (0..500).map(|_| draw().expose_secret().to_owned()).collect();
        assert_eq!(drawn.len(), 500);
        for password in &drawn {
            assert_eq!(password.len(), 16);
            assert!(password.bytes().all(|byte| letters.contains(&byte)), "no sign that a BMC minds");
            assert!(CLASSES.iter().all(|class| password.bytes().any(|byte| class.contains(&byte))));
        }
        let seen: BTreeSet<u8> = drawn.iter().flat_map(|password| password.bytes()).collect();
        assert_eq!(seen.len(), letters.len(), "every letter comes up in 8000");
    }
}
