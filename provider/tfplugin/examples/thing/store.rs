//! Things in files: one JSON file each.

use std::{fs, io, path::PathBuf};

use serde_json::{Value as Json, json};
use tfplugin::Diagnostic;

/// A thing as it is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    pub size: i64,
    pub labels: Vec<(String, String)>,
    pub rack: Option<String>,
    pub unit: Option<i64>,
    pub revision: i64,
    /// The length of the password: enough to see that it arrived.
    pub password_length: usize,
}

/// A directory of things.
#[derive(Debug)]
pub struct Store {
    directory: Option<PathBuf>,
}

impl Store {
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory: Some(directory) }
    }

    /// A store whose place is not known yet.
    pub fn unknown() -> Self {
        Self { directory: None }
    }

    /// The thing; `None` if there certainly is none.
    pub fn get(&self, name: &str) -> Result<Option<Record>, Diagnostic> {
        match fs::read(self.path(name)?) {
            Ok(bytes) => Ok(Some(parse(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", name, &error)),
        }
    }

    pub fn put(&self, name: &str, record: &Record) -> Result<(), Diagnostic> {
        let labels: serde_json::Map<_, _> =
            record.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let text = json!({
            "size": record.size, "labels": labels, "rack": record.rack, "unit": record.unit,
            "revision": record.revision, "password_length": record.password_length,
        });
        fs::write(self.path(name)?, text.to_string()).map_err(|error| failed("write", name, &error))
    }

    /// Removing what is gone already succeeds.
    pub fn remove(&self, name: &str) -> Result<(), Diagnostic> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", name, &error)),
            _ => Ok(()),
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, Diagnostic> {
        let unknown =
            || Diagnostic::error("The directory is not known yet", "It depends on something not built yet.");
        Ok(self.directory.as_ref().ok_or_else(unknown)?.join(format!("{name}.json")))
    }
}

fn parse(bytes: &[u8]) -> Record {
    let json: Json = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let number = |name: &str| json.get(name).and_then(Json::as_i64);
    let labels = json.get("labels").and_then(Json::as_object).into_iter().flatten();
    Record {
        size: number("size").unwrap_or_default(),
        labels: labels.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect(),
        rack: json.get("rack").and_then(text),
        unit: number("unit"),
        revision: number("revision").unwrap_or_default(),
        password_length: number("password_length").and_then(|n| usize::try_from(n).ok()).unwrap_or_default(),
    }
}

fn failed(act: &str, name: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::error(format!("Unable to {act} thing {name:?}"), error.to_string())
}
