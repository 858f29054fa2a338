//! Brings a database to this server's schema, at start-up only, in one transaction.
//!
//! Two servers that start at once do it one after the other. A version that was applied is never edited: its text is
//! compared. Versions this server does not know are left alone, so that a neighbouring release can be put back.

use std::collections::BTreeMap;

use ring::digest;

use crate::{
    Error,
    sql::{self, Connection},
};

/// Version and text, in order.
const MIGRATIONS: [(i64, &str); 10] = [
    (1, include_str!("../migrations/0001_object.sql")),
    (2, include_str!("../migrations/0002_work.sql")),
    (3, include_str!("../migrations/0003_boot.sql")),
    (4, include_str!("../migrations/0004_pool.sql")),
    (5, include_str!("../migrations/0005_brake.sql")),
    (6, include_str!("../migrations/0006_boot_plan.sql")),
    (7, include_str!("../migrations/0007_discovery.sql")),
    (8, include_str!("../migrations/0008_adoption.sql")),
    (9, include_str!("../migrations/0009_agent_log.sql")),
    (11, include_str!("../migrations/0011_boot_media.sql")),
];

/// The version from which on it is noted what objects belong to.
pub(crate) const BELONGING: i64 = 4;

/// Applies what is missing, and returns which that was. The caller holds the schema lock.
pub(crate) async fn run(connection: &mut Connection) -> Result<Vec<i64>, Error> {
    let at = |version| move |source| Error::Migrate { version, source };
    connection
        .script("CREATE TABLE IF NOT EXISTS migration (version BIGINT NOT NULL PRIMARY KEY, digest TEXT NOT NULL)")
        .await
        .map_err(at(0))?;
    let rows = sql::query("SELECT version, digest FROM migration").fetch_all(&mut *connection).await;
    let mut applied = BTreeMap::new();
    for row in rows.map_err(at(0))? {
        applied.insert(row.number("version")?, row.text("digest")?);
    }
    let mut fresh = Vec::new();
    for (version, text) in MIGRATIONS {
        let digest = fingerprint(text);
        match applied.get(&version) {
            Some(found) if *found == digest => continue,
            Some(_) => return Err(Error::ForeignSchema { version }),
            None => {}
        }
        connection.script(text).await.map_err(at(version))?;
        sql::query("INSERT INTO migration (version, digest) VALUES ($1, $2)")
            .bind(version)
            .bind(digest)
            .execute(&mut *connection)
            .await
            .map_err(at(version))?;
        fresh.push(version);
    }
    Ok(fresh)
}

fn fingerprint(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
