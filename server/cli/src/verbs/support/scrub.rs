//! Takes out of a text what looks like a secret: words behind telling names, keys, tokens, URLs with a login.
//!
//! Errs on the side of taking out too much; what is left keeps its form, so that the rest can be read.

use serde_json::Value;

/// Stands for what was taken out.
const OUT: &str = "[taken out]";

/// What comes before a secret, up to the end of the word.
const BEFORE: [&str; 12] = [
    "underlay.token=",
    "/v1/phone-home/",
    "/v1/media/",
    "/v1/adopt/",
    "/v1/events/",
    "Bearer ",
    "Basic ",
    "password=",
    "passwd=",
    "secret=",
    "token=",
    "X-Auth-Token: ",
];

/// Keys of an object whose value is one.
const KEYS: [&str; 6] = ["password", "passwd", "secret", "token", "private_key", "passphrase"];

/// A text without its secrets.
pub(super) fn text(text: &str) -> String {
    let mut left = without_keys(text);
    for before in BEFORE {
        left = without(&left, before);
    }
    without_logins(&left)
}

/// A JSON value without its secrets; numbers and structure stay.
pub(super) fn value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(self::text(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(self::value).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, field)| {
                    let lower = key.to_lowercase();
                    let is_secret =
                        KEYS.iter().any(|word| lower == *word || lower.ends_with(&format!("_{word}")));
                    let field = match field {
                        Value::String(text) if is_secret && !text.is_empty() => OUT.into(),
                        field => self::value(field),
                    };
                    (key, field)
                })
                .collect(),
        ),
        other => other,
    }
}

/// Takes out the word behind each `before`, whatever its case.
fn without(text: &str, before: &str) -> String {
    // A lower-case letter may be longer than its capital; ASCII keeps every position.
    let (lower, before) = (text.to_ascii_lowercase(), before.to_ascii_lowercase());
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(&before)) {
        let begin = at + found + before.len();
        let rest = text.get(begin..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | ')' | '<' | '>');
        let length = rest.find(ends).unwrap_or(rest.len());
        left.push_str(text.get(at..begin).unwrap_or_default());
        if length > 0 {
            left.push_str(OUT);
        }
        at = begin + length;
    }
    left.push_str(text.get(at..).unwrap_or_default());
    left
}

/// Takes out private keys in PEM, whole.
fn without_keys(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let (before, from) = rest.split_at(begin);
        left.push_str(before);
        let line = from.lines().next().unwrap_or_default();
        if !line.contains("PRIVATE KEY") {
            let (head, tail) = from.split_at("-----BEGIN ".len());
            left.push_str(head);
            rest = tail;
            continue;
        }
        left.push_str(OUT);
        rest = match from.find("-----END ").and_then(|end| Some((end, from.get(end + 9..)?.find("-----")?))) {
            Some((end, more)) => from.get(end + 9 + more + 5..).unwrap_or_default(),
            None => "",
        };
    }
    left.push_str(rest);
    left
}

/// Takes the login out of `scheme://user:password@host`.
fn without_logins(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find("://") {
        let (before, after) = rest.split_at(found + 3);
        left.push_str(before);
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'')).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => left.push_str(&format!("{OUT}@{host}")),
            None => left.push_str(authority),
        }
        rest = tail;
    }
    left.push_str(rest);
    left
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_canary_is_left() {
        for line in [
            "kernel http://h/vmlinuz underlay.token=CANARY quiet",
            "POST http://10.0.0.1:7480/v1/phone-home/CANARY",
            "Authorization: bearer CANARY",
            "db postgres://underlay:CANARY@db/underlay",
            "PASSWORD=CANARY;",
            "-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nCANARY",
        ] {
            let left = text(&format!("before\n{line}\nafter"));
            assert!(!left.contains("CANARY"), "{left}");
            assert!(left.starts_with("before\n"), "{left}");
        }
        let object =
            value(json!({ "bmc_password": "CANARY", "name": "r1", "list": [{ "token": "CANARY" }] }));
        assert!(!object.to_string().contains("CANARY"), "{object}");
        assert_eq!(object["name"], "r1");
    }

    #[test]
    fn what_is_no_secret_stays() {
        let lines = "r1: the BMC https://10.0.0.7 refuses us: 401\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert_eq!(text(lines), lines);
        let object = json!({ "secret_version": 3, "token_count": "4", "spec": { "name": "web" } });
        assert_eq!(value(object.clone()), object);
    }
}
