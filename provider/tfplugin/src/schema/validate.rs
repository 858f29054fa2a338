//! Ready-made validators for `#[tf(validate = ...)]`.
//!
//! A validator takes a known value and returns what is wrong with it. A function of your own,
//! `fn(&T) -> Result<(), String>`, does as well. Users read that text, so one for a secret must not quote it.

use std::{fmt::Display, ops::RangeInclusive};

/// One of these words.
pub fn one_of(words: &'static [&'static str]) -> impl Fn(&String) -> Result<(), String> + Send + Sync {
    move |text| {
        if words.contains(&text.as_str()) {
            return Ok(());
        }
        let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
        Err(format!("must be one of {}, not {text:?}", quoted.join(", ")))
    }
}

/// Text that is not empty.
pub fn not_empty() -> impl Fn(&String) -> Result<(), String> + Send + Sync {
    |text| if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(()) }
}

/// Text of so many characters.
pub fn length(allowed: RangeInclusive<usize>) -> impl Fn(&String) -> Result<(), String> + Send + Sync {
    move |text| {
        let length = text.chars().count();
        if allowed.contains(&length) {
            return Ok(());
        }
        Err(format!("must have {} to {} characters, not {length}", allowed.start(), allowed.end()))
    }
}

/// A number in this range.
pub fn between<T>(allowed: RangeInclusive<T>) -> impl Fn(&T) -> Result<(), String> + Send + Sync
where
    T: PartialOrd + Display + Send + Sync,
{
    move |number| {
        if allowed.contains(number) {
            return Ok(());
        }
        Err(format!("must be from {} to {}, not {number}", allowed.start(), allowed.end()))
    }
}
