//! Postgres: over a socket.

use std::{borrow::Cow, sync::Arc};

use sqlx::{
    AssertSqlSafe, Column, Executor, PgConnection, Row as _, TypeInfo, ValueRef,
    postgres::{PgArguments, PgRow},
    query::Query as Prepared,
};

use super::{DatabaseError, Names, Query, Row, Value};

/// Statements without places and rows.
pub(super) async fn script(connection: &mut PgConnection, text: &str) -> Result<(), DatabaseError> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await?;
    Ok(())
}

/// Does it, and says how many rows that changed.
pub(super) async fn execute(connection: &mut PgConnection, query: Query) -> Result<u64, DatabaseError> {
    Ok(prepared(query).execute(connection).await?.rows_affected())
}

/// The rows of its answer.
pub(super) async fn rows(connection: &mut PgConnection, query: Query) -> Result<Vec<Row>, DatabaseError> {
    let rows = prepared(query).fetch_all(connection).await?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let names = names(first);
    rows.iter().map(|row| read(&names, row)).collect()
}

/// The first of them.
pub(super) async fn row(connection: &mut PgConnection, query: Query) -> Result<Option<Row>, DatabaseError> {
    let row = prepared(query).fetch_optional(connection).await?;
    row.map(|row| read(&names(&row), &row)).transpose()
}

fn prepared(query: Query) -> Prepared<'static, sqlx::Postgres, PgArguments> {
    let prepared = match query.text {
        Cow::Borrowed(text) => sqlx::query(text),
        Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
    };
    query.values.into_iter().fold(prepared, |prepared, value| match value {
        Value::Number(number) => prepared.bind(number),
        Value::Text(text) => prepared.bind(text),
    })
}

fn names(row: &PgRow) -> Names {
    Arc::from_iter(row.columns().iter().map(|column| Box::from(column.name())))
}

fn read(names: &Names, row: &PgRow) -> Result<Row, DatabaseError> {
    let values = (0..row.len()).map(|column| value(row, column)).collect::<Result<_, _>>()?;
    Ok(Row::new(names.clone(), values))
}

fn value(row: &PgRow, column: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(column)?;
    Ok(match raw.type_info().name() {
        _ if raw.is_null() => Value::Text(None),
        "INT8" => Value::Number(row.try_get(column)?),
        "INT4" => Value::Number(row.try_get::<Option<i32>, _>(column)?.map(i64::from)),
        "BOOL" => Value::Number(row.try_get::<Option<bool>, _>(column)?.map(i64::from)),
        _ => Value::Text(row.try_get(column)?),
    })
}
