//! Sealing: AES-256-GCM (NIST SP 800-38D) under a 32-byte key that is kept outside the database and its backups.
//!
//! What is sealed is bound to the place it is kept in (object id and name), so a sealed column copied elsewhere does not
//! open. A sealed text is `KEYID.BASE64(nonce, ciphertext, tag)`. Nothing here is ever printed.

use std::{fmt, fs, io::Write, os::unix::fs::OpenOptionsExt, os::unix::fs::PermissionsExt, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};

use crate::Error;

/// The key everything secret in a database is sealed under.
#[derive(Clone)]
pub struct SealingKey {
    key: LessSafeKey,
    id: String,
    /// Makes keys for other ends, which say nothing about this one.
    maker: hmac::Key,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SealingKey {
    /// The key made of these 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, bytes).expect("an AES-256 key has 32 bytes");
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"underlay sealing key id");
        context.update(bytes);
        let id = context.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let maker = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Self { key: LessSafeKey::new(unbound), id, maker }
    }

    /// A key for another end, made of this one.
    pub fn derive(&self, end: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.maker, format!("underlay: a key for {end}").as_bytes());
        tag.as_ref().try_into().expect("SHA-256 makes 32 bytes")
    }

    /// The key in the file at `path` (64 hex digits); a missing file is made with a fresh key and mode 0600.
    ///
    /// # Errors
    /// [`Error::KeyFile`] where others can read the file, it holds no key, or it cannot be read or made.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        let refuse = |why: String| Error::KeyFile { path: path.display().to_string(), why };
        if !path.exists() {
            create(path).map_err(|error| refuse(format!("cannot be made: {error}")))?;
        }
        let metadata = fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(refuse(format!("others can read it; run: chmod 600 {}", path.display())));
        }
        let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let bytes = from_hex(text.trim()).ok_or_else(|| refuse("does not hold 64 hex digits".into()))?;
        Ok(Self::new(&bytes))
    }

    /// A short id of the key; says nothing about it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `plain` sealed for `place`.
    pub(crate) fn seal(&self, place: &str, plain: &[u8]) -> String {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the kernel's random source does not fail once it is up");
        let mut sealed = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed)
            .expect("what is sealed is far shorter than the 64 GiB limit of GCM");
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        format!("{}.{}", self.id, STANDARD_NO_PAD.encode(bytes))
    }

    /// What was sealed for `place`.
    pub(crate) fn open(&self, place: &str, sealed: &str) -> Result<Vec<u8>, Error> {
        let refuse = || Error::Unseal { what: place.to_owned() };
        let (id, body) = sealed.split_once('.').ok_or_else(refuse)?;
        let bytes = STANDARD_NO_PAD.decode(body).map_err(|_| refuse())?;
        if id != self.id {
            return Err(refuse());
        }
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN).ok_or_else(refuse)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refuse())?;
        let mut body = body.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(place), &mut body).map_err(|_| refuse())?;
        Ok(plain.to_vec())
    }

    /// Text that was sealed for `place`.
    pub(crate) fn open_text(&self, place: &str, sealed: &str) -> Result<String, Error> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| Error::Unseal { what: place.to_owned() })
    }
}

/// A fresh key in a new file that only its owner reads. It appears under its name whole or not at all.
fn create(path: &Path) -> std::io::Result<()> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("no random numbers"))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let staged = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A link fails where the name is taken, so of two servers that start at once both use the first one's key.
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged)?;
    match linked {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_in_its_place_and_under_its_key() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal("a/password", b"hunter2");
        assert_eq!(key.open_text("a/password", &sealed).expect("opens"), "hunter2");
        assert!(key.open("b/password", &sealed).is_err());
        assert!(SealingKey::new(&[8; 32]).open("a/password", &sealed).is_err());
        assert_ne!(sealed, key.seal("a/password", b"hunter2"), "a nonce is never used twice");
    }

    #[test]
    fn damage_never_opens() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal("place", b"secret");
        for cut in 0..sealed.len() {
            assert!(key.open("place", &sealed[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("temp dir");
        let path = folder.path().join("sealing.key");
        let made = SealingKey::load_or_create(&path).expect("makes one");
        assert_eq!(SealingKey::load_or_create(&path).expect("reads it").id(), made.id());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = SealingKey::load_or_create(&path).expect_err("refuses");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn debug_output_shows_no_key() {
        let text = format!("{:?}", SealingKey::new(&[0xab; 32]));
        assert!(!text.contains("ab, ab") && !text.contains("abab") && !text.contains("171"), "{text}");
    }
}
