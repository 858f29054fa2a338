//! What agents had to say while they were at work: kept by host and boot, in parts, the oldest of which make room.

use jiff::Timestamp;
use underlay_core::ObjectId;

use crate::{
    Error, Store,
    column::micros,
    sql::{self, Row},
};

/// Parts that are kept of one boot.
const PARTS: i64 = 64;
/// Boots that are kept of one host.
const BOOTS: i64 = 8;

/// A part of what an agent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The host it ran on.
    pub host: ObjectId,
    /// Which boot of it.
    pub epoch: i64,
    /// Who the boot was for: a machine.
    pub object: ObjectId,
    /// When it came.
    pub at: Timestamp,
    /// Lines, each with its end; the caller bounds them.
    pub text: String,
}

/// Whose log is meant.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// Of every boot of a host.
    Host(ObjectId),
    /// Of every boot that was for an object.
    Object(ObjectId),
}

impl Store {
    /// Keeps a part behind those that came before.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn append_agent_log(&self, part: &Part) -> Result<(), Error> {
        let failed = || Error::doing("keeping an agent's log");
        let (host, mut write) = (part.host.to_string(), self.write_ordered().await?);
        sql::query(
            "INSERT INTO agent_log (host, epoch, part, object, at, text) SELECT $1, $2, \
             (SELECT COALESCE(MAX(part), 0) + 1 FROM agent_log WHERE host = $1 AND epoch = $2), $3, $4, $5",
        )
        .bind(&host)
        .bind(part.epoch)
        .bind(part.object.to_string())
        .bind(micros(part.at))
        .bind(&part.text)
        .execute(write.connection())
        .await
        .map_err(failed())?;
        sql::query(
            "DELETE FROM agent_log WHERE host = $1 AND epoch = $2 AND part <= \
             (SELECT MAX(part) FROM agent_log WHERE host = $1 AND epoch = $2) - $3",
        )
        .bind(&host)
        .bind(part.epoch)
        .bind(PARTS)
        .execute(write.connection())
        .await
        .map_err(failed())?;
        sql::query(
            "DELETE FROM agent_log WHERE host = $1 AND epoch <= (SELECT epoch FROM agent_log WHERE host = $1 \
             GROUP BY epoch ORDER BY epoch DESC LIMIT 1 OFFSET $2)",
        )
        .bind(&host)
        .bind(BOOTS)
        .execute(write.connection())
        .await
        .map_err(failed())?;
        write.commit_quietly().await
    }

    /// All that is kept, oldest boot first, each in the order in which it came.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn agent_log(&self, of: Of) -> Result<Vec<Part>, Error> {
        let (text, id) = match of {
            Of::Host(id) => (
                "SELECT host, epoch, object, at, text FROM agent_log WHERE host = $1 ORDER BY epoch, part",
                id,
            ),
            Of::Object(id) => (
                "SELECT host, epoch, object, at, text FROM agent_log WHERE object = $1 ORDER BY epoch, part",
                id,
            ),
        };
        let rows = sql::query(text)
            .bind(id.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(Error::doing("reading an agent's log"))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<Part, Error> {
    Ok(Part {
        host: row.parsed("host")?,
        epoch: row.number("epoch")?,
        object: row.parsed("object")?,
        at: row.time("at")?,
        text: row.text("text")?,
    })
}
