//! How a BMC is told to insert an image into its virtual drive.

use serde_json::{Map, Value, json};

/// Ways to say that an image be inserted, best first: all that the standard has, then the least, then with what Lenovo's
/// XCC and Supermicro's BMCs want to be told. `known` is what the action takes, where it says so.
pub(in super::super) fn insertions(url: &str, known: Option<&[String]>) -> Vec<Value> {
    let protocol = if url.starts_with("https:") { "HTTPS" } else { "HTTP" };
    let ways: [&[(&str, Value)]; 3] = [
        &[("Inserted", json!(true)), ("WriteProtected", json!(true))],
        &[],
        &[("TransferProtocolType", json!(protocol)), ("TransferMethod", json!("Stream"))],
    ];
    let mut wishes: Vec<Value> = Vec::new();
    for way in ways {
        let mut wish = Map::from_iter([("Image".to_owned(), json!(url))]);
        let takes = |name: &str| known.is_none_or(|known| known.iter().any(|one| one == name));
        wish.extend(
            way.iter().filter(|(name, _)| takes(name)).map(|(name, value)| ((*name).into(), value.clone())),
        );
        let wish = Value::Object(wish);
        if !wishes.contains(&wish) {
            wishes.push(wish);
        }
    }
    wishes
}
