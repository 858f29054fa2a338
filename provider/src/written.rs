//! Values between configuration and API: what is null, empty or left out is told apart here, and what the user wrote is
//! kept in state where the server says the same in other words.
//!
//! Towards the server: [`text`], [`number`], ... refuse what is not known yet. Back from it: `seen_*` take the prior value
//! and what the server has.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tfplugin::{Attr, Diagnostic, Diagnostics, schema::NotKnown};

use crate::size;

/// Why a configuration cannot be sent yet.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// Part of it is known at apply only.
    NotKnown,
    /// A value that could be checked only now is wrong.
    Wrong(Diagnostic),
}

impl From<NotKnown> for Unfit {
    fn from(_: NotKnown) -> Self {
        Self::NotKnown
    }
}

impl From<Unfit> for Diagnostics {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::NotKnown => NotKnown.into(),
            Unfit::Wrong(diagnostic) => diagnostic.into(),
        }
    }
}

/// What can be sent.
pub(crate) type Fit<T> = Result<T, Unfit>;

/// The value, or the default of its type where there is none.
pub(crate) fn plain<T: Clone + Default>(value: &Attr<T>) -> Fit<T> {
    match value {
        Attr::Null => Ok(T::default()),
        Attr::Unknown => Err(Unfit::NotKnown),
        Attr::Value(value) => Ok(value.clone()),
    }
}

/// A nested object, converted; `None` where there is none.
pub(crate) fn nested<T, U>(value: &Attr<T>, convert: impl FnOnce(&T) -> Fit<U>) -> Fit<Option<U>> {
    match value {
        Attr::Null => Ok(None),
        Attr::Unknown => Err(Unfit::NotKnown),
        Attr::Value(value) => convert(value).map(Some),
    }
}

/// The entries of a map of nested objects, converted.
pub(crate) fn entries<T, U>(
    value: &Attr<BTreeMap<String, T>>,
    convert: impl Fn(&T) -> Fit<U>,
) -> Fit<HashMap<String, U>> {
    let converted =
        nested(value, |map| map.iter().map(|(key, entry)| Ok((key.clone(), convert(entry)?))).collect())?;
    Ok(converted.unwrap_or_default())
}

/// A size in bytes; 0 where there is none.
pub(crate) fn bytes(at: &str, value: &Attr<String>) -> Fit<u64> {
    let text = plain(value)?;
    if text.is_empty() { Ok(0) } else { one_size(at, &text) }
}

/// Sizes in bytes.
pub(crate) fn all_bytes(at: &str, value: &Attr<Vec<String>>) -> Fit<Vec<u64>> {
    plain(value)?.iter().map(|text| one_size(at, text)).collect()
}

fn one_size(at: &str, text: &str) -> Fit<u64> {
    let wrong = || {
        Diagnostic::error(
            format!("Invalid value for {at}"),
            size::valid(&text.to_owned()).err().unwrap_or_default(),
        )
    };
    size::parse(text).ok_or_else(|| Unfit::Wrong(wrong().at(at)))
}

/// Text of the server; empty is null.
pub(crate) fn seen_text(text: &str) -> Attr<String> {
    if text.is_empty() { Attr::Null } else { text.into() }
}

/// Text in which case does not matter: MAC addresses, UUIDs, digests.
pub(crate) fn seen_caseless(prior: &Attr<String>, text: &str) -> Attr<String> {
    if prior.as_str().eq_ignore_ascii_case(text) { prior.clone() } else { seen_text(text) }
}

/// A size, in the unit the user chose.
pub(crate) fn seen_bytes(prior: &Attr<String>, bytes: u64) -> Attr<String> {
    match prior.get().and_then(|text| size::parse(text)) {
        Some(same) if same == bytes => prior.clone(),
        _ if bytes == 0 => Attr::Null,
        _ => size::format(bytes).into(),
    }
}

/// A list of sizes, each in the unit the user chose.
pub(crate) fn seen_all_bytes(prior: &Attr<Vec<String>>, bytes: &[u64]) -> Attr<Vec<String>> {
    let parsed =
        prior.get().map(|texts| texts.iter().filter_map(|text| size::parse(text)).collect::<Vec<_>>());
    match parsed {
        Some(same) if same == bytes => prior.clone(),
        _ => Attr::Value(bytes.iter().map(|bytes| size::format(*bytes)).collect()),
    }
}

/// A list; empty is null unless the user wrote an empty one.
pub(crate) fn seen_list<T: Clone>(prior: &Attr<Vec<T>>, list: Vec<T>) -> Attr<Vec<T>> {
    if list.is_empty() && prior.get().is_none_or(Vec::is_empty) { prior.clone() } else { Attr::Value(list) }
}

/// A map; empty is null unless the user wrote an empty one.
pub(crate) fn seen_map<T: Clone>(
    prior: &Attr<BTreeMap<String, T>>,
    map: BTreeMap<String, T>,
) -> Attr<BTreeMap<String, T>> {
    if map.is_empty() && prior.get().is_none_or(BTreeMap::is_empty) {
        prior.clone()
    } else {
        Attr::Value(map)
    }
}

/// A number; 0 is null unless the user wrote it.
pub(crate) fn seen_number<T: Copy + Default + PartialEq>(prior: &Attr<T>, number: T) -> Attr<T> {
    if number == T::default() && prior.is_null() { Attr::Null } else { Attr::Value(number) }
}

/// What the plan says where it is known, else what the server has: what was planned must come back as it was.
pub(crate) fn settled<T: Clone>(planned: &Attr<T>, fresh: Attr<T>) -> Attr<T> {
    if planned.is_unknown() { fresh } else { planned.clone() }
}

/// A duration as the user would write it: `1h30m`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String = parts.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { format!("{}ms", duration.as_millis()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_spelling_is_kept_where_the_server_means_the_same() {
        assert_eq!(seen_bytes(&"1024MiB".into(), 1 << 30), "1024MiB".into());
        assert_eq!(seen_bytes(&"2GiB".into(), 1 << 30), "1GiB".into());
        assert_eq!(seen_caseless(&"AA:BB".into(), "aa:bb"), "AA:BB".into());
        assert_eq!(seen_list(&Attr::Value(vec![]), Vec::<u16>::new()), Attr::Value(vec![]));
        assert_eq!(seen_list(&Attr::Null, Vec::<u16>::new()), Attr::Null);
    }

    #[test]
    fn durations_are_written_as_terraform_reads_them() {
        assert_eq!(duration(Duration::from_secs(5400)), "1h30m");
        assert_eq!(duration(Duration::from_millis(250)), "250ms");
    }
}
