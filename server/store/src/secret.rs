//! Secrets of objects, sealed; bound to the object's id and the secret's name.

use secrecy::{ExposeSecret, SecretString};
use underlay_core::ObjectId;

use crate::{Error, Store, sql, transaction::Write};

pub(crate) fn place(id: ObjectId, name: &str) -> String {
    format!("secret/{id}/{name}")
}

/// `secret` of `id`, sealed.
pub(crate) fn seal(write: &Write<'_>, id: ObjectId, name: &str, secret: &SecretString) -> String {
    write.store().key().seal(&place(id, name), secret.expose_secret().as_bytes())
}

/// Seals and keeps `secrets` of `id`.
pub(crate) async fn put(
    write: &mut Write<'_>,
    id: ObjectId,
    secrets: &[(String, SecretString)],
) -> Result<(), Error> {
    let key = write.store().key();
    for (name, secret) in secrets {
        let sealed = key.seal(&place(id, name), secret.expose_secret().as_bytes());
        sql::query(
            "INSERT INTO secret (id, name, sealed) VALUES ($1, $2, $3) \
             ON CONFLICT (id, name) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(id.to_string())
        .bind(name)
        .bind(sealed)
        .execute(write.connection())
        .await
        .map_err(Error::doing("keeping a sealed secret"))?;
    }
    Ok(())
}

impl Store {
    /// A secret of an object.
    ///
    /// # Errors
    /// [`Error::Unseal`], or the database fails.
    pub async fn secret(&self, id: ObjectId, name: &str) -> Result<Option<SecretString>, Error> {
        let row = sql::query("SELECT sealed FROM secret WHERE id = $1 AND name = $2")
            .bind(id.to_string())
            .bind(name)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading a sealed secret"))?;
        let Some(row) = row else { return Ok(None) };
        let text = self.key().open_text(&place(id, name), &row.text("sealed")?)?;
        Ok(Some(text.into()))
    }
}
