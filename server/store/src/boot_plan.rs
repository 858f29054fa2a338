//! The boot-plan projection: what each NIC is answered, and what the image says that a BMC shows its host. Sealed, because
//! both hold a one-time token.
//!
//! Who follows it reads what changed since it last looked, so that a plan more costs no more in a large fleet than in a
//! small one. Every change takes the feed's row, so revisions become visible in their own order.

use underlay_core::{
    Mac, ObjectId,
    boot::{Media, Plan},
};

use crate::{
    Error, Store,
    hint::Topic,
    sql::{self, Row},
    transaction::Write,
};

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

/// How far somebody has followed the boot plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    revision: i64,
    /// Changes by servers that do not say which plan they changed.
    unknown: i64,
}

/// What became of the boot plans since a position.
#[derive(Clone, Debug)]
pub struct BootPlans {
    /// Where to go on.
    pub position: Position,
    /// Are these all there are, in place of what was known?
    pub all: bool,
    /// Hosts whose plans were dropped, before what follows was put.
    pub dropped: Vec<ObjectId>,
    /// The plans that were put.
    pub plans: Vec<BootPlan>,
    /// The media that were put, by host.
    pub media: Vec<(ObjectId, Media)>,
}

pub(crate) fn place(mac: &str) -> String {
    format!("boot_plan/{mac}")
}

pub(crate) fn media_place(host: &str) -> String {
    format!("boot_media/{host}")
}

/// Sets what the image of `host` says.
pub(crate) async fn put_media(write: &mut Write<'_>, host: ObjectId, media: &Media) -> Result<(), Error> {
    let key = write.store().key();
    let plain = crate::column::json("boot media", media)?;
    let (host, revision) = (host.to_string(), stamp(write).await?);
    sql::query(
        "INSERT INTO boot_media (host, sealed, revision) VALUES ($1, $2, $3) \
         ON CONFLICT (host) DO UPDATE SET sealed = excluded.sealed, revision = excluded.revision",
    )
    .bind(&host)
    .bind(key.seal(&media_place(&host), plain.as_bytes()))
    .bind(revision)
    .execute(write.connection())
    .await
    .map_err(Error::doing("keeping boot media"))?;
    Ok(())
}

/// Sets what `mac` boots. Nothing is written where it is the same.
pub(crate) async fn put(write: &mut Write<'_>, wanted: &BootPlan) -> Result<(), Error> {
    let key = write.store().key();
    let mac = wanted.mac.to_string();
    let row = sql::query("SELECT mac, host, sealed FROM boot_plan WHERE mac = $1")
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
    let revision = stamp(write).await?;
    sql::query(
        "INSERT INTO boot_plan (mac, host, sealed, revision) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (mac) DO UPDATE SET host = excluded.host, sealed = excluded.sealed, \
         revision = excluded.revision",
    )
    .bind(&mac)
    .bind(wanted.host.to_string())
    .bind(key.seal(&place(&mac), plain.as_bytes()))
    .bind(revision)
    .execute(write.connection())
    .await
    .map_err(Error::doing("keeping a boot plan"))?;
    Ok(())
}

/// Forgets the boot plans and media of `host`.
pub(crate) async fn forget(write: &mut Write<'_>, host: ObjectId) -> Result<(), Error> {
    let failed = || Error::doing("forgetting boot plans");
    let done = sql::query("DELETE FROM boot_plan WHERE host = $1")
        .bind(host.to_string())
        .execute(write.connection())
        .await
        .map_err(failed())?;
    let media = sql::query("DELETE FROM boot_media WHERE host = $1")
        .bind(host.to_string())
        .execute(write.connection())
        .await
        .map_err(failed())?;
    if done + media == 0 {
        return Ok(());
    }
    let revision = stamp(write).await?;
    sql::query(
        "INSERT INTO boot_plan_gone (host, revision) VALUES ($1, $2) \
         ON CONFLICT (host) DO UPDATE SET revision = excluded.revision",
    )
    .bind(host.to_string())
    .bind(revision)
    .execute(write.connection())
    .await
    .map_err(failed())?;
    Ok(())
}

/// The revision of a change that is about to be made.
async fn stamp(write: &mut Write<'_>) -> Result<i64, Error> {
    write.touch(Topic::BootPlans);
    let rows = sql::query(
        "UPDATE counter SET value = value + 1 WHERE name IN ('boot_plans', 'boot_plan_rows') \
         RETURNING name, value",
    )
    .fetch_all(write.connection())
    .await
    .map_err(Error::doing("stamping the boot plans"))?;
    Position::read(&rows).map(|position| position.revision)
}

impl Position {
    fn read(counters: &[Row]) -> Result<Self, Error> {
        let (mut rows, mut all) = (0, 0);
        for row in counters {
            match row.text("name")?.as_str() {
                "boot_plan_rows" => rows = row.number("value")?,
                _ => all = row.number("value")?,
            }
        }
        Ok(Self { revision: rows, unknown: all - rows })
    }
}

fn read(store: &Store, row: &Row) -> Result<BootPlan, Error> {
    let mac = row.text("mac")?;
    let plain = store.key().open_text(&place(&mac), &row.text("sealed")?)?;
    Ok(BootPlan {
        mac: row.parsed("mac")?,
        host: row.parsed("host")?,
        plan: crate::column::from_json("boot plan", &plain)?,
    })
}

impl Store {
    /// What became of the boot plans since `after`, or all of them; ask again after a hint of [`Topic::BootPlans`].
    ///
    /// # Errors
    /// [`Error::Unseal`], or the database fails.
    pub async fn boot_plans(&self, after: Option<Position>) -> Result<BootPlans, Error> {
        let failed = || Error::doing("reading the boot plans");
        // Read before the plans: what changes meanwhile is read twice rather than never.
        let counters =
            sql::query("SELECT name, value FROM counter WHERE name IN ('boot_plans', 'boot_plan_rows')")
                .fetch_all(&mut *self.reader().await?)
                .await
                .map_err(failed())?;
        let position = Position::read(&counters)?;
        let known =
            after.filter(|after| after.unknown == position.unknown && after.revision <= position.revision);
        if known == Some(position) {
            return Ok(BootPlans {
                position,
                all: false,
                dropped: Vec::new(),
                plans: Vec::new(),
                media: Vec::new(),
            });
        }
        let after = known.map_or(-1, |known| known.revision);
        let gone = sql::query("SELECT host FROM boot_plan_gone WHERE revision > $1")
            .bind(after)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed())?;
        let rows =
            sql::query("SELECT mac, host, sealed FROM boot_plan WHERE revision > $1 ORDER BY revision")
                .bind(after)
                .fetch_all(&mut *self.reader().await?)
                .await
                .map_err(failed())?;
        let read_media = |row: &Row| {
            let host = row.text("host")?;
            let plain = self.key().open_text(&media_place(&host), &row.text("sealed")?)?;
            Ok::<_, Error>((row.parsed("host")?, crate::column::from_json("boot media", &plain)?))
        };
        let media = sql::query("SELECT host, sealed FROM boot_media WHERE revision > $1 ORDER BY revision")
            .bind(after)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed())?;
        let media = media.iter().map(read_media).collect::<Result<_, _>>()?;
        let dropped = gone.iter().map(|row| row.parsed("host")).collect::<Result<_, _>>()?;
        let plans = rows.iter().map(|row| read(self, row)).collect::<Result<_, _>>()?;
        Ok(BootPlans { position, all: known.is_none(), dropped, plans, media })
    }

    /// What one NIC boots.
    ///
    /// # Errors
    /// [`Error::Unseal`], or the database fails.
    pub async fn boot_plan(&self, mac: Mac) -> Result<Option<BootPlan>, Error> {
        let row = sql::query("SELECT mac, host, sealed FROM boot_plan WHERE mac = $1")
            .bind(mac.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading a boot plan"))?;
        row.as_ref().map(|row| read(self, row)).transpose()
    }
}
