//! Collects everything that is wrong with a message while it is read, so that a user sees all faults at once.
//!
//! Every reading method returns something usable even where the text is wrong: the caller goes on, and
//! [`Faults::into_result`] refuses the whole at the end. Texts and lists are bounded here and nowhere else.

use std::{collections::HashMap, fmt::Display, str::FromStr};

use underlay_core::FieldError;

/// The longest plain text of a spec, in bytes.
pub(crate) const TEXT: usize = 256;
/// The most entries of a list or map.
pub(crate) const ENTRIES: usize = 256;
/// The most faults that are reported; a hostile spec could have millions.
const REPORTED: usize = 100;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    /// Something is wrong at `attribute`.
    pub(crate) fn add(&mut self, attribute: impl Into<String>, message: impl Display) {
        if self.0.len() < REPORTED {
            self.0.push(FieldError::new(attribute, message.to_string()));
        }
    }

    /// `text`, bounded by `limit` bytes and without control characters; empty where it is wrong.
    pub(crate) fn text(&mut self, attribute: &str, text: String, limit: usize) -> String {
        if text.len() > limit {
            self.add(attribute, format!("is longer than {limit} bytes"));
            return String::new();
        }
        if text.chars().any(char::is_control) {
            self.add(attribute, "has control characters");
            return String::new();
        }
        text
    }

    /// Like [`Faults::text`], with empty meaning left out.
    pub(crate) fn optional(&mut self, attribute: &str, text: String) -> Option<String> {
        Some(self.text(attribute, text, TEXT)).filter(|text| !text.is_empty())
    }

    /// `text` read as a `T`; `None` where it is wrong.
    pub(crate) fn parse<T>(&mut self, attribute: &str, text: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        if text.len() > TEXT {
            self.add(attribute, format!("is longer than {TEXT} bytes"));
            return None;
        }
        text.parse().map_err(|error| self.add(attribute, error)).ok()
    }

    /// Like [`Faults::parse`], with empty meaning left out.
    pub(crate) fn parse_optional<T>(&mut self, attribute: &str, text: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        if text.is_empty() { None } else { self.parse(attribute, text) }
    }

    /// The value that `word` stands for among `words`, `default` where it is empty or wrong.
    pub(crate) fn word<T: Copy>(
        &mut self,
        attribute: &str,
        word: &str,
        words: &[(&str, T)],
        default: T,
    ) -> T {
        if word.is_empty() {
            return default;
        }
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, value)) => *value,
            None => {
                let known: Vec<_> = words.iter().map(|(known, _)| format!("\"{known}\"")).collect();
                self.add(attribute, format!("use one of {}", known.join(", ")));
                default
            }
        }
    }

    /// `entries`, at most [`ENTRIES`] of them; empty where there are more.
    pub(crate) fn list<T>(&mut self, attribute: &str, entries: Vec<T>) -> Vec<T> {
        if entries.len() > ENTRIES {
            self.add(attribute, format!("has more than {ENTRIES} entries"));
            return Vec::new();
        }
        entries
    }

    /// `entries` in order of their keys, at most [`ENTRIES`] of them; empty where there are more, or a key is too
    /// long to be shown in an attribute path.
    pub(crate) fn map<T>(&mut self, attribute: &str, entries: HashMap<String, T>) -> Vec<(String, T)> {
        if entries.len() > ENTRIES {
            self.add(attribute, format!("has more than {ENTRIES} entries"));
            return Vec::new();
        }
        if entries.keys().any(|key| key.is_empty() || key.len() > TEXT || key.chars().any(char::is_control)) {
            self.add(attribute, format!("has a key that is empty, or no text of at most {TEXT} bytes"));
            return Vec::new();
        }
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        entries
    }

    /// `number` as a smaller integer; `None` where it does not fit.
    pub(crate) fn narrow<T: TryFrom<u32>>(&mut self, attribute: &str, number: u32) -> Option<T> {
        T::try_from(number).map_err(|_| self.add(attribute, format!("{number} is out of range"))).ok()
    }

    /// `value` if nothing was wrong.
    pub(crate) fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}
