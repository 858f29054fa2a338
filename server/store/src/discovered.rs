//! Machines that booted the agent without being enrolled: the newest thing known of each, by the NIC it booted over, and
//! what changed in it.
//!
//! They are no objects: nobody asked for them, and whoever can reach the agents' door can add to them. So their number is
//! bounded, and the ones that were not seen for longest make room.

use jiff::Timestamp;
use underlay_core::{
    Mac,
    agent::{
        Inventory,
        changes::{self, Change},
        health,
    },
};

use crate::{
    Error, Store,
    column::{self, micros},
    sql::{self, Row},
};

/// How many are kept.
pub const KEPT: usize = 1000;

/// A machine that nobody enrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// The NIC it booted over.
    pub mac: Mac,
    /// The network it was seen on last, `NAME`, where it is one of ours.
    pub network: Option<String>,
    /// When it reported first.
    pub first_seen: Timestamp,
    /// When it reported last; lags behind by some minutes where nothing changes.
    pub last_seen: Timestamp,
    /// What its agent found.
    pub inventory: Inventory,
    /// What changed in that, the newest last.
    pub changes: Vec<Change>,
}

/// A report of one.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The NIC it booted over.
    pub mac: Mac,
    /// The network it was seen on.
    pub network: Option<&'a str>,
    /// When.
    pub at: Timestamp,
    /// What its agent found.
    pub inventory: &'a Inventory,
}

macro_rules! select_discovered {
    ($tail:literal) => {
        concat!("SELECT mac, network, first_seen, last_seen, inventory, changes FROM discovered ", $tail)
    };
}

impl Store {
    /// Keeps a report, and what it changes.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn note_discovered(&self, seen: Seen<'_>) -> Result<(), Error> {
        let failed = || Error::doing("keeping a discovered machine");
        let mut write = self.write().await?;
        let row = sql::query(select_discovered!("WHERE mac = $1"))
            .bind(seen.mac.to_string())
            .fetch_optional(write.connection())
            .await
            .map_err(failed())?;
        let before = row.as_ref().map(read).transpose()?;
        let (first_seen, mut changed) = match &before {
            Some(before) => (before.first_seen, before.changes.clone()),
            None => (seen.at, Vec::new()),
        };
        let mut inventory = seen.inventory.clone();
        if let Some(before) = &before {
            health::keep_unseen(&before.inventory, &mut inventory);
            changes::remember(&mut changed, &before.inventory, &inventory, seen.at);
        }
        sql::query(
            "INSERT INTO discovered (mac, serial, uuid, network, first_seen, last_seen, inventory, changes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (mac) DO UPDATE SET serial = excluded.serial, \
             uuid = excluded.uuid, network = excluded.network, last_seen = excluded.last_seen, \
             inventory = excluded.inventory, changes = excluded.changes",
        )
        .bind(seen.mac.to_string())
        .bind(seen.inventory.serial.clone())
        .bind(seen.inventory.uuid.clone())
        .bind(seen.network.map(str::to_owned))
        .bind(micros(first_seen))
        .bind(micros(seen.at))
        .bind(column::json("inventory", &inventory)?)
        .bind(column::json("changes", &changed)?)
        .execute(write.connection())
        .await
        .map_err(failed())?;
        if before.is_none() {
            sql::query(
                "DELETE FROM discovered WHERE mac IN \
                 (SELECT mac FROM discovered ORDER BY last_seen DESC, mac LIMIT 1000 OFFSET $1)",
            )
            .bind(i64::try_from(KEPT).unwrap_or(i64::MAX))
            .execute(write.connection())
            .await
            .map_err(failed())?;
        }
        write.commit_quietly().await
    }

    /// Forgets one: it has a host now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_discovered(&self, mac: Mac) -> Result<(), Error> {
        let mut write = self.write().await?;
        sql::query("DELETE FROM discovered WHERE mac = $1")
            .bind(mac.to_string())
            .execute(write.connection())
            .await
            .map_err(Error::doing("forgetting a discovered machine"))?;
        write.commit_quietly().await
    }

    /// Those that are kept, the one seen last first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn discovered(&self) -> Result<Vec<Discovered>, Error> {
        let rows = sql::query(select_discovered!("ORDER BY last_seen DESC, mac LIMIT $1"))
            .bind(i64::try_from(KEPT).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("listing discovered machines"))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<Discovered, Error> {
    Ok(Discovered {
        mac: row.parsed("mac")?,
        network: row.maybe_text("network")?,
        first_seen: row.time("first_seen")?,
        last_seen: row.time("last_seen")?,
        inventory: row.json("inventory")?,
        changes: row.json("changes")?,
    })
}
