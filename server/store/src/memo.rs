//! The memo of acts that must not be done twice: issue a certificate, allocate an address. The first result stays.

use underlay_core::ObjectId;

use crate::{Error, Store, sql};

impl Store {
    /// Keeps `result` of the act `name` for a generation of an object, unless one is kept already, and returns the one
    /// that is kept.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn remember(
        &self,
        id: ObjectId,
        generation: i64,
        name: &str,
        result: &serde_json::Value,
    ) -> Result<serde_json::Value, Error> {
        let mut write = self.write().await?;
        let row = sql::query(
            "INSERT INTO step (id, generation, name, result) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id, generation, name) DO UPDATE SET result = step.result RETURNING result",
        )
        .bind(id.to_string())
        .bind(generation)
        .bind(name)
        .bind(result.to_string())
        .fetch_one(write.connection())
        .await
        .map_err(Error::doing("keeping the result of an act"))?;
        write.commit_quietly().await?;
        row.json("result")
    }

    /// The result kept for the act `name`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn recall(
        &self,
        id: ObjectId,
        generation: i64,
        name: &str,
    ) -> Result<Option<serde_json::Value>, Error> {
        let row = sql::query("SELECT result FROM step WHERE id = $1 AND generation = $2 AND name = $3")
            .bind(id.to_string())
            .bind(generation)
            .bind(name)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading the result of an act"))?;
        row.map(|row| row.json("result")).transpose()
    }
}
