//! Values come back as they went in, on both databases; what does not fit is an error and no guess.

use super::*;
use crate::testing::Database;

async fn values_come_back(database: &Database) {
    let store = database.open().await;
    let mut write = store.write().await.unwrap();
    let insert = "INSERT INTO step (id, generation, name, result) VALUES ($2, $3, $1, $4)";
    for (name, result) in [("quotes", "a'b\"c;--"), ("none", ""), ("wide", "ü€𝄞\u{1}")] {
        let query = query(insert).bind(name).bind("x").bind(i64::MAX).bind(result);
        assert_eq!(query.execute(write.connection()).await.unwrap(), 1);
    }
    let text =
        "SELECT name, generation, result, $2 AS again, $1 AS also FROM step WHERE id = $1 ORDER BY name";
    let all = query(text).bind("x").bind(None::<&str>).fetch_all(write.connection()).await.unwrap();
    let read: Vec<_> =
        all.iter().map(|row| (row.text("name").unwrap(), row.text("result").unwrap())).collect();
    assert_eq!(
        read,
        [("none", ""), ("quotes", "a'b\"c;--"), ("wide", "ü€𝄞\u{1}")].map(|(a, b)| (a.into(), b.into()))
    );
    for row in &all {
        assert_eq!(row.number("generation").unwrap(), i64::MAX);
        assert_eq!(row.maybe_text("again").unwrap(), None);
        assert_eq!(row.maybe_number("again").unwrap(), None);
        assert_eq!(row.text("also").unwrap(), "x");
        for wrong in ["nowhere", "name", "again"] {
            assert!(row.number(wrong).is_err(), "{wrong}");
        }
        assert!(row.text("generation").is_err() && row.text("again").is_err());
    }
    let first = query(text).bind("x").bind("y").fetch_one(write.connection()).await.unwrap();
    assert_eq!((first.text("name").unwrap().as_str(), first.text("again").unwrap().as_str()), ("none", "y"));
    let nobody = query(text).bind("nobody").bind("y");
    assert!(nobody.clone().fetch_optional(write.connection()).await.unwrap().is_none());
    assert!(matches!(nobody.fetch_one(write.connection()).await, Err(DatabaseError::NoRow)));
    let changed = query("UPDATE step SET result = $2 WHERE id = $1").bind("x").bind("z");
    assert_eq!(changed.execute(write.connection()).await.unwrap(), 3);
    write.commit().await.unwrap();
}

async fn a_place_without_a_value_is_an_error(database: &Database) {
    let store = database.open().await;
    let mut reader = store.reader().await.unwrap();
    let short = query("SELECT name FROM step WHERE id = $1 AND name = $2").bind("x");
    assert!(short.fetch_all(&mut reader).await.is_err());
}

async fn a_statement_done_apart_answers_too(database: &Database) {
    let store = database.open().await;
    for _ in 0..20 {
        let rows =
            store.reader().await.unwrap().apart(query("SELECT COUNT(*) AS n FROM step")).await.unwrap();
        assert_eq!(rows[0].number("n").unwrap(), 0);
        assert!(store.reader().await.unwrap().apart(query("SELECT nothing")).await.is_err());
    }
}

crate::on_both_databases!(
    values_come_back,
    a_place_without_a_value_is_an_error,
    a_statement_done_apart_answers_too
);
