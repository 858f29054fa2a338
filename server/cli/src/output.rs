//! What people and scripts read: aligned tables, times, sizes, failures in four parts; JSON in the canonical protobuf form.

use std::sync::OnceLock;

use jiff::{Timestamp, Unit};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use underlay_proto::v1;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For scripts: protobuf's JSON, field names as in the API.
    Json,
}

/// A message as JSON.
///
/// # Errors
/// Never for a message of our own API; a bug otherwise.
pub fn json<M: Message + Name>(message: &M) -> anyhow::Result<serde_json::Value> {
    // Read once: a fleet is ten thousand messages.
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| DescriptorPool::decode(underlay_proto::FILE_DESCRIPTOR_SET).ok());
    let descriptor = pool
        .as_ref()
        .ok_or_else(|| anyhow::anyhow!("the API's description cannot be read"))?
        .get_message_by_name(&M::full_name())
        .ok_or_else(|| anyhow::anyhow!("{} is not in the API's description", M::full_name()))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// Columns, aligned; the last one is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut columns = Columns::default();
    let mut lines = columns.lines(head, rows);
    lines.insert(0, columns.head(head));
    lines.join("\n")
}

/// The widths of a table's columns, for rows that come page by page: they grow and never shrink.
#[derive(Debug, Default)]
pub struct Columns(Vec<usize>);

impl Columns {
    /// The head, as wide as the rows that were seen.
    pub fn head(&self, head: &[&str]) -> String {
        self.line(head.iter().copied())
    }

    /// Rows as lines, after making room for them and for the head.
    pub fn lines(&mut self, head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
        self.fit(head.iter().copied());
        for row in rows {
            self.fit(row.iter().map(String::as_str));
        }
        rows.iter().map(|row| self.line(row.iter().map(String::as_str))).collect()
    }

    fn fit<'c>(&mut self, cells: impl Iterator<Item = &'c str>) {
        for (column, cell) in cells.enumerate() {
            let width = cell.chars().count();
            match self.0.get_mut(column) {
                Some(known) => *known = width.max(*known),
                None => self.0.push(width),
            }
        }
    }

    fn line<'c>(&self, cells: impl Iterator<Item = &'c str>) -> String {
        let width = |column: usize| self.0.get(column).copied().unwrap_or_default();
        let padded = cells.enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// How long ago, roughly: `12s`, `5m`, `3h`, `4d`.
pub fn ago(time: Option<prost_types::Timestamp>) -> String {
    let Some(time) = timestamp(time) else { return "-".into() };
    age(Timestamp::now().since((Unit::Second, time)).map_or(0, |span| span.get_seconds()))
}

/// So many seconds, roughly: `12s`, `5m`, `3h`, `4d`.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7199 => format!("{}m", seconds / 60),
        seconds @ 7200..=172_799 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Now, in seconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Now, as RFC 3339 to the second.
pub fn clock() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as RFC 3339, to the second.
pub fn time(time: Option<prost_types::Timestamp>) -> String {
    timestamp(time).map_or("-".into(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn timestamp(time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::new(time.seconds, time.nanos).ok())
}

/// A size in the largest unit that leaves a readable number.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// A failure in its four parts.
pub fn failure(failure: &v1::Failure) -> String {
    let mut text = format!("{}: {}", failure.what, failure.why);
    for part in [&failure.done, &failure.next].into_iter().filter(|part| !part.is_empty()) {
        text.push_str("\n  ");
        text.push_str(part);
    }
    text
}

/// `-` for nothing.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

/// One line on how an object stands.
pub fn standing(standing: Option<&v1::Standing>) -> String {
    let Some(standing) = standing else { return "-".into() };
    if let Some(failure) = &standing.failure {
        return failure.why.clone();
    }
    match (&standing.amount, standing.waiting_for.as_str()) {
        (_, "") => String::new(),
        (Some(amount), waiting) if amount.total > 0 => {
            format!("{waiting} ({}%)", amount.done.saturating_mul(100) / amount.total)
        }
        (_, waiting) => waiting.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["cccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&["X", "Y"], &rows), "X     Y\na     bb\ncccc  d");
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(2 << 30), "2.0 GiB");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(7), "7 B");
    }

    #[test]
    fn json_has_the_names_of_the_api() {
        let host = v1::Host {
            meta: Some(v1::Meta { kind: "host".into(), generation: 3, ..Default::default() }),
            ..Default::default()
        };
        let value = json(&host).expect("json");
        assert_eq!(value["meta"]["kind"], "host");
        assert_eq!(value["meta"]["generation"], "3");
    }
}
