//! What is thrown away: old events, closed operations, agents' logs, tombstones, old rows of the audit; and sealing everything anew under another key.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Error, SealingKey, Store, assignment, audit::chain, boot_plan, column::micros, secret, sql};

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events and closed operations.
    pub history: Duration,
    /// Tombstones; a feed cursor older than the newest one thrown away is expired.
    pub tombstones: Duration,
    /// The audit.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { history: 90 * day, tombstones: 30 * day, audit: 400 * day }
    }
}

/// Rows deleted in one statement, so that no write holds the lock for long.
const BATCH: i64 = 1000;

impl Store {
    /// Throws away what is older than `retention` allows. Returns how many rows that were.
    ///
    /// # Errors
    /// Where the database fails; what was thrown away until then is gone.
    pub async fn sweep(&self, retention: Retention, now: Timestamp) -> Result<u64, Error> {
        let before = |kept: Duration| micros(now.checked_sub(kept).unwrap_or(Timestamp::MIN));
        let history = before(retention.history);
        let mut rows = 0;
        for text in [
            "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE at < $1 LIMIT $2)",
            "DELETE FROM operation_step WHERE operation IN (SELECT id FROM operation WHERE finished_at < $1 \
             ORDER BY id LIMIT $2)",
            "DELETE FROM operation WHERE id IN (SELECT id FROM operation WHERE finished_at < $1 ORDER BY id LIMIT $2)",
            "DELETE FROM agent_log WHERE (host, epoch, part) IN (SELECT host, epoch, part FROM agent_log WHERE at < $1 \
             LIMIT $2)",
            "DELETE FROM token WHERE digest IN (SELECT digest FROM token WHERE expires_at < $1 LIMIT $2)",
            "DELETE FROM adoption WHERE digest IN (SELECT digest FROM adoption WHERE expires_at < $1 LIMIT $2)",
            "DELETE FROM brake WHERE id IN (SELECT id FROM brake WHERE lifted_at < $1 LIMIT $2)",
            "DELETE FROM api_token WHERE digest IN (SELECT digest FROM api_token WHERE revoked_at < $1 LIMIT $2)",
        ] {
            rows += self.sweep_rows(text, history).await?;
        }
        rows += self.sweep_audit(before(retention.audit)).await?;
        Ok(rows + self.sweep_tombstones(before(retention.tombstones)).await?)
    }

    async fn sweep_rows(&self, text: &'static str, before: i64) -> Result<u64, Error> {
        let mut rows = 0;
        loop {
            let mut write = self.write_ordered().await?;
            let done = sql::query(text)
                .bind(before)
                .bind(BATCH)
                .execute(write.connection())
                .await
                .map_err(Error::doing("throwing away old history"))?;
            write.commit_quietly().await?;
            rows += done;
            if done < BATCH.unsigned_abs() {
                return Ok(rows);
            }
        }
    }

    async fn sweep_tombstones(&self, before: i64) -> Result<u64, Error> {
        let failed = || Error::doing("throwing away tombstones");
        let mut write = self.write_ordered().await?;
        let rows = sql::query(
            "DELETE FROM object WHERE purged_at IS NOT NULL AND purged_at < $1 \
             AND id NOT IN (SELECT id FROM secret WHERE name = 'own_password') RETURNING revision",
        )
        .bind(before)
        .fetch_all(write.connection())
        .await
        .map_err(failed())?;
        let mut newest = None;
        for row in &rows {
            newest = newest.max(Some(row.number("revision")?));
        }
        let Some(newest) = newest else { return Ok(0) };
        sql::query("UPDATE counter SET value = $1 WHERE name = 'feed_horizon' AND value < $1")
            .bind(newest)
            .execute(write.connection())
            .await
            .map_err(failed())?;
        write.commit().await?;
        Ok(rows.len() as u64)
    }

    /// Seals everything anew under `key` and uses it from now on. Put it into the key file before the next start; other
    /// servers on the same database must be restarted with it.
    ///
    /// # Errors
    /// [`Error::Unseal`] where something does not open under the old key, or the database fails; nothing changed then.
    pub async fn reseal(&self, key: SealingKey) -> Result<(), Error> {
        let failed = || Error::doing("sealing anew");
        let old = self.key();
        let mut write = self.write_ordered().await?;
        for row in sql::query("SELECT id, name, sealed FROM secret")
            .fetch_all(write.connection())
            .await
            .map_err(failed())?
        {
            let place = secret::place(row.parsed("id")?, &row.text("name")?);
            let plain = old.open(&place, &row.text("sealed")?)?;
            sql::query("UPDATE secret SET sealed = $3 WHERE id = $1 AND name = $2")
                .bind(row.text("id")?)
                .bind(row.text("name")?)
                .bind(key.seal(&place, &plain))
                .execute(write.connection())
                .await
                .map_err(failed())?;
        }
        type Place = fn(&str) -> String;
        let tables: [(&'static str, &'static str, Place); 3] = [
            (
                "SELECT mac AS pk, sealed FROM boot_plan",
                "UPDATE boot_plan SET sealed = $2 WHERE mac = $1",
                boot_plan::place,
            ),
            (
                "SELECT host AS pk, sealed FROM boot_media",
                "UPDATE boot_media SET sealed = $2 WHERE host = $1",
                boot_plan::media_place,
            ),
            (
                "SELECT host AS pk, sealed FROM assignment",
                "UPDATE assignment SET sealed = $2 WHERE host = $1",
                assignment::place,
            ),
        ];
        for (select, update, place) in tables {
            for row in sql::query(select).fetch_all(write.connection()).await.map_err(failed())? {
                let pk = row.text("pk")?;
                let plain = old.open(&place(&pk), &row.text("sealed")?)?;
                let sealed = key.seal(&place(&pk), &plain);
                sql::query(update)
                    .bind(pk)
                    .bind(sealed)
                    .execute(write.connection())
                    .await
                    .map_err(failed())?;
            }
        }
        let row = sql::query("SELECT value FROM meta WHERE name = 'audit_key'")
            .fetch_one(write.connection())
            .await
            .map_err(failed())?;
        let plain = old.open(chain::PLACE, &row.text("value")?)?;
        sql::query("UPDATE meta SET value = $1 WHERE name = 'audit_key'")
            .bind(key.seal(chain::PLACE, &plain))
            .execute(write.connection())
            .await
            .map_err(failed())?;
        sql::query("UPDATE meta SET value = $1 WHERE name = 'sealing_key'")
            .bind(key.id())
            .execute(write.connection())
            .await
            .map_err(failed())?;
        write.commit().await?;
        self.set_key(key);
        Ok(())
    }
}
