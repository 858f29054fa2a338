//! The boot-plan projection: what each NIC is answered. Sealed, because a plan holds a one-time token.

use sqlx::any::AnyRow;
use underlay_core::{Mac, ObjectId, boot::Plan};

use crate::{Error, Store, column::Columns, feed, transaction::Write};

/// What one NIC boots.
#[derive(Clone, Debug, PartialEq)]
pub struct BootPlan {
    /// The NIC that asks.
    pub mac: Mac,
    /// The host it belongs to.
    pub host: ObjectId,
    /// The answer.
    pub plan: Plan,
}

/// All boot plans at one revision.
#[derive(Clone, Debug)]
pub struct BootPlans {
    /// Grows with every change of any plan.
    pub revision: i64,
    /// The plans.
    pub plans: Vec<BootPlan>,
}

pub(crate) fn place(mac: &str) -> String {
    format!("boot_plan/{mac}")
}

/// Sets what `mac` boots. Nothing is written where it is the same.
pub(crate) async fn put(write: &mut Write<'_>, wanted: &BootPlan) -> Result<(), Error> {
    let key = write.store().key();
    let mac = wanted.mac.to_string();
    let row = sqlx::query("SELECT mac, host, sealed FROM boot_plan WHERE mac = $1")
        .bind(&mac)
        .fetch_optional(write.connection())
        .await
        .map_err(Error::doing("reading a boot plan"))?;
    if let Some(row) = row
        && read(write.store(), &row)? == *wanted
    {
        return Ok(());
    }
    let plain = crate::column::json("boot plan", &wanted.plan)?;
    sqlx::query(
        "INSERT INTO boot_plan (mac, host, sealed) VALUES ($1, $2, $3) \
         ON CONFLICT (mac) DO UPDATE SET host = excluded.host, sealed = excluded.sealed",
    )
    .bind(&mac)
    .bind(wanted.host.to_string())
    .bind(key.seal(&place(&mac), plain.as_bytes()))
    .execute(write.connection())
    .await
    .map_err(Error::doing("keeping a boot plan"))?;
    stamp(write).await
}

/// Forgets the boot plans of `host`.
pub(crate) async fn forget(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    let done = sqlx::query("DELETE FROM boot_plan WHERE host = $1")
        .bind(host.to_string())
        .execute(write.connection())
        .await
        .map_err(Error::doing("forgetting boot plans"))?;
    if done.rows_affected() == 0 { Ok(()) } else { stamp(write).await }
}

async fn stamp(write: &mut Write<'_>) -> Result<(), Error> {
    sqlx::query("UPDATE counter SET value = value + 1 WHERE name = 'boot_plans'")
        .execute(write.connection())
        .await
        .map_err(Error::doing("stamping the boot plans"))?;
    Ok(())
}

fn read(store: &Store, row: &AnyRow) -> Result<BootPlan, Error> {
    let mac = row.text("mac")?;
    let plain = store.key().open_text(&place(&mac), &row.text("sealed")?)?;
    Ok(BootPlan {
        mac: row.parsed("mac")?,
        host: row.parsed("host")?,
        plan: crate::column::from_json("boot plan", &plain)?,
    })
}

impl Store {
    /// The revision of the boot plans; ask again after a [`Store::hint`].
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn boot_plan_revision(&self) -> Result<i64, Error> {
        let failed = Error::doing("reading the revision of the boot plans");
        let mut connection = self.pool().acquire().await.map_err(failed)?;
        feed::counter(&mut connection, "boot_plans").await
    }

    /// Every boot plan.
    ///
    /// # Errors
    /// [`Error::Unseal`], or the database fails.
    pub async fn boot_plans(&self) -> Result<BootPlans, Error> {
        // Read before the plans: what changes meanwhile is read twice rather than never.
        let revision = self.boot_plan_revision().await?;
        let rows = sqlx::query("SELECT mac, host, sealed FROM boot_plan")
            .fetch_all(self.pool())
            .await
            .map_err(Error::doing("reading the boot plans"))?;
        let plans = rows.iter().map(|row| read(self, row)).collect::<Result<_, _>>()?;
        Ok(BootPlans { revision, plans })
    }

    /// What one NIC boots.
    ///
    /// # Errors
    /// [`Error::Unseal`], or the database fails.
    pub async fn boot_plan(&self, mac: Mac) -> Result<Option<BootPlan>, Error> {
        let row = sqlx::query("SELECT mac, host, sealed FROM boot_plan WHERE mac = $1")
            .bind(mac.to_string())
            .fetch_optional(self.pool())
            .await
            .map_err(Error::doing("reading a boot plan"))?;
        row.as_ref().map(|row| read(self, row)).transpose()
    }
}
