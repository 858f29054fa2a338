//! A copy of the database while the server works, and what has to be void in one that was put back: the world has gone
//! on since it was made, and nobody knows how.

use std::path::Path;

use jiff::Timestamp;
use underlay_core::{
    Brake, Cancellation, Kind, ObjectId,
    brake::{self, Reach},
    cancellation::Until,
};

use crate::{
    Error, Record, Store,
    audit::Entry,
    brake as brakes, cancellation,
    column::micros,
    dialect::Dialect,
    operation::{self, Ending},
    sql,
};

/// How far the feed is moved on, so that no cursor that was given out since the backup is one of the restored database.
const LEAP: i64 = 1 << 32;

/// What is said of an operation that was under way.
const WHY: &str = "the server was restored from a backup, and what became of this since is not known";

/// Are the API tokens of the backup good?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// No: one of them may have been revoked since.
    Nothing,
    /// Yes.
    ApiTokens,
}

/// What was made void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voided {
    /// Operations that were under way, and are called off.
    pub operations: u64,
    /// Deletions that were under way, and have to be asked for again.
    pub deletions: u64,
    /// API tokens.
    pub api_tokens: u64,
}

impl Store {
    /// Writes a copy of the database, as it is at one moment, into a new file at `path`. Work goes on meanwhile.
    ///
    /// # Errors
    /// [`Error::NoBackup`] on Postgres, which has tools of its own, or the copy cannot be written.
    pub async fn backup(&self, path: &Path) -> Result<(), Error> {
        if self.inner.dialect == Dialect::Postgres {
            return Err(Error::NoBackup);
        }
        let copy = sql::query("VACUUM INTO $1").bind(path.display().to_string());
        self.reader().await?.apart(copy).await.map(drop).map_err(Error::doing("copying the database"))
    }

    /// Is the database whole, as far as the database itself can tell? Says what is wrong with it.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn check(&self) -> Result<Option<String>, Error> {
        if self.inner.dialect == Dialect::Postgres {
            return Ok(None);
        }
        let rows = self.reader().await?.apart(sql::query("PRAGMA quick_check(1)")).await;
        let rows = rows.map_err(Error::doing("checking the database"))?;
        let said = rows.first().map(|row| row.text("quick_check")).transpose()?;
        Ok(said.filter(|said| said != "ok"))
    }

    /// For a database that was put back, before any server uses it: every lease, boot token, boot plan and order to an
    /// agent of before is void, what was under way is called off, and the server is on hold until somebody lifts that.
    ///
    /// # Errors
    /// Where the database fails. What was done until then stays; the whole can be done again.
    pub async fn void_after_restore(&self, by: &str, kept: Kept, now: Timestamp) -> Result<Voided, Error> {
        let mut voided = Voided { api_tokens: self.hold_and_void(by, kept, now).await?, ..Voided::default() };
        for id in self.under_way().await? {
            let was_deleting = self.call_off(id, by, now).await?;
            voided.operations += u64::from(!was_deleting);
            voided.deletions += u64::from(was_deleting);
        }
        let entry = Entry {
            who: by.to_owned(),
            via: "this machine".into(),
            method: "restore".into(),
            outcome: "Ok".into(),
            ..Entry::default()
        };
        self.add_to_audit(entry).await?;
        Ok(voided)
    }

    async fn hold_and_void(&self, by: &str, kept: Kept, now: Timestamp) -> Result<u64, Error> {
        let failed = || Error::doing("voiding what is of before the backup");
        let mut known = self.inner.brakes.write().await;
        *known = None;
        let mut write = self.write_ordered().await?;
        let hold = Brake {
            kind: brake::Kind::Restored,
            reach: Reach::default(),
            by: by.to_owned(),
            since: now,
            reason: "the database was restored from a backup".into(),
        };
        brakes::put(&mut write, &hold).await?;
        for text in [
            "DELETE FROM boot_plan",
            "DELETE FROM boot_media",
            "DELETE FROM assignment",
            "DELETE FROM token",
            "DELETE FROM adoption",
            "UPDATE counter SET value = value + 1 WHERE name = 'boot_plans'",
        ] {
            sql::query(text).execute(write.connection()).await.map_err(failed())?;
        }
        sql::query(
            "UPDATE queue SET lease_owner = NULL, lease_until = NULL, lease_epoch = lease_epoch + 1, run_at = $1",
        )
        .bind(micros(now))
        .execute(write.connection())
        .await
        .map_err(failed())?;
        // Whoever follows the feed by a cursor of after the backup starts over.
        sql::query("UPDATE counter SET value = value + $1 WHERE name = 'feed_head'")
            .bind(LEAP)
            .execute(write.connection())
            .await
            .map_err(failed())?;
        sql::query(
            "UPDATE counter SET value = (SELECT value FROM counter WHERE name = 'feed_head') \
             WHERE name = 'feed_horizon'",
        )
        .execute(write.connection())
        .await
        .map_err(failed())?;
        let mut tokens = 0;
        if kept == Kept::Nothing {
            let done = sql::query("UPDATE api_token SET revoked_at = $1 WHERE revoked_at IS NULL")
                .bind(micros(now))
                .execute(write.connection())
                .await
                .map_err(failed())?;
            tokens = done;
        }
        write.commit().await?;
        Ok(tokens)
    }

    /// Hosts and machines that were being worked on, or deleted.
    async fn under_way(&self) -> Result<Vec<ObjectId>, Error> {
        let rows = sql::query(
            "SELECT id FROM object WHERE purged_at IS NULL AND (deleted_at IS NOT NULL \
             OR (kind = 'machine' AND (settled = 0 OR observed_generation < generation))) \
             AND kind IN ('host', 'machine') ORDER BY id",
        )
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(Error::doing("finding what was under way"))?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// Calls off what was under way on an object. Was that a deletion?
    async fn call_off(&self, id: ObjectId, by: &str, now: Timestamp) -> Result<bool, Error> {
        let mut write = self.write_ordered().await?;
        let Some(record) = Record::find(write.connection(), id).await? else { return Ok(false) };
        let meta = &record.raw.meta;
        let was_deleting = meta.deleted_at.is_some();
        write.touch_object(meta.kind, id);
        if was_deleting {
            // The host may carry another machine by now, of which this database knows nothing.
            operation::close(&mut write, id, Ending::Superseded, None, now).await?;
            let enrolling = r#"{"state":"enrolling"}"#;
            sql::query(
                "UPDATE object SET deleted_at = NULL, version = version + 1, revision = $2, \
                 state = CASE WHEN kind = 'host' THEN $3 ELSE state END, \
                 phase = CASE WHEN kind = 'host' THEN 'enrolling' ELSE phase END, \
                 settled = CASE WHEN kind = 'host' THEN 0 ELSE settled END WHERE id = $1",
            )
            .bind(id.to_string())
            .bind(write.revision())
            .bind(enrolling)
            .execute(write.connection())
            .await
            .map_err(Error::doing("calling off a deletion"))?;
        }
        if meta.kind == Kind::Machine {
            let (generation, by, reason) = (meta.generation, by.to_owned(), WHY.to_owned());
            let wish = Cancellation { generation, by, at: now, reason, until: Until::TheEnd };
            cancellation::put(&mut write, id, &wish).await?;
        }
        write.commit().await?;
        Ok(was_deleting)
    }
}
