//! SQLite: in this process, in the caller's thread.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{ErrorCode, OpenFlags, Statement, config::DbConfig, types::ValueRef};

use super::{DatabaseError, Names, Query, Row, Value};

/// More than there are statements in this crate: none is ever prepared a second time.
const STATEMENTS: usize = 512;

/// How long another process's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to switch to the write-ahead log.
const PAUSE: Duration = Duration::from_millis(5);

/// Opens the file, which is made if it is missing. `synchronous = FULL`: what was committed survives a power cut, as on
/// Postgres.
pub(crate) fn open(path: &Path) -> Result<rusqlite::Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        // Used by one thread at a time.
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(PATIENCE)?;
    // A statement is planned once, and not again for each value of a place.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    use_wal(&connection)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864")?;
    Ok(connection)
}

/// A new file becomes one with a write-ahead log. Of several that do so at once SQLite sends all but one away without
/// their patience, since each has what the others wait for.
fn use_wal(connection: &rusqlite::Connection) -> Result<(), DatabaseError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < until =>
            {
                std::thread::sleep(PAUSE);
            }
            done => return Ok(done?),
        }
    }
}

/// Does it, and says how many rows that changed.
pub(super) fn execute(connection: &rusqlite::Connection, query: &Query) -> Result<u64, DatabaseError> {
    let mut statement = connection.prepare_cached(&query.text)?;
    bind(&mut statement, &query.values)?;
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(connection.changes())
}

/// The rows of its answer, so many at most.
pub(super) fn rows(
    connection: &rusqlite::Connection,
    query: &Query,
    most: usize,
) -> Result<Vec<Row>, DatabaseError> {
    let mut statement = connection.prepare_cached(&query.text)?;
    bind(&mut statement, &query.values)?;
    let columns = statement.column_count();
    let mut names: Option<Names> = None;
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while found.len() < most
        && let Some(row) = rows.next()?
    {
        let names = match &names {
            Some(names) => names.clone(),
            None => {
                names.insert(Arc::from_iter(row.as_ref().column_names().into_iter().map(Box::from))).clone()
            }
        };
        let values =
            (0..columns).map(|column| read(row.get_ref(column)?)).collect::<Result<_, DatabaseError>>()?;
        found.push(Row::new(names, values));
    }
    Ok(found)
}

/// All rows of its answer, on a connection that waits for the locks of other processes meanwhile, whether or not it does otherwise.
pub(super) fn rows_patiently(
    connection: &rusqlite::Connection,
    query: &Query,
) -> Result<Vec<Row>, DatabaseError> {
    let usual: i64 = connection.query_row("PRAGMA busy_timeout", (), |row| row.get(0))?;
    connection.busy_timeout(PATIENCE)?;
    let found = rows(connection, query, usize::MAX);
    connection.busy_timeout(Duration::from_millis(usual.unsigned_abs()))?;
    found
}

/// SQLite numbers `$1` and its like by where they first stand, not by their numbers.
fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), DatabaseError> {
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).and_then(|name| name.strip_prefix('$'));
        let value = name
            .and_then(|name| name.parse::<usize>().ok()?.checked_sub(1))
            .and_then(|index| values.get(index))
            .ok_or(rusqlite::Error::InvalidParameterCount(values.len(), place))?;
        match value {
            Value::Number(number) => statement.raw_bind_parameter(place, number)?,
            Value::Text(text) => statement.raw_bind_parameter(place, text.as_deref())?,
        }
    }
    Ok(())
}

fn read(value: ValueRef<'_>) -> Result<Value, DatabaseError> {
    Ok(match value {
        ValueRef::Null => Value::Text(None),
        ValueRef::Integer(number) => Value::Number(Some(number)),
        other => Value::Text(Some(other.as_str().map_err(rusqlite::Error::from)?.to_owned())),
    })
}
