//! The `timeouts` attribute: how long create, read, update and delete may take, as Go durations such as `1h30m`.
//!
//! ```ignore
//! /// How long operations may take.
//! #[tf(optional)]
//! timeouts: Attr<Timeouts>,
//! ```

use std::time::Duration;

use crate::{Attr, Schema};

/// How long each operation may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Schema)]
pub struct Timeouts {
    /// How long creating may take, such as `30m` or `1h30m`.
    #[tf(optional, validate = valid)]
    pub create: Attr<String>,
    /// How long reading may take.
    #[tf(optional, validate = valid)]
    pub read: Attr<String>,
    /// How long updating may take.
    #[tf(optional, validate = valid)]
    pub update: Attr<String>,
    /// How long deleting may take.
    #[tf(optional, validate = valid)]
    pub delete: Attr<String>,
}

impl Attr<Timeouts> {
    /// How long creating may take.
    pub fn create_or(&self, default: Duration) -> Duration {
        self.pick(|timeouts| &timeouts.create, default)
    }

    /// How long reading may take.
    pub fn read_or(&self, default: Duration) -> Duration {
        self.pick(|timeouts| &timeouts.read, default)
    }

    /// How long updating may take.
    pub fn update_or(&self, default: Duration) -> Duration {
        self.pick(|timeouts| &timeouts.update, default)
    }

    /// How long deleting may take.
    pub fn delete_or(&self, default: Duration) -> Duration {
        self.pick(|timeouts| &timeouts.delete, default)
    }

    fn pick(&self, which: impl Fn(&Timeouts) -> &Attr<String>, default: Duration) -> Duration {
        let text = self.get().and_then(|timeouts| which(timeouts).get());
        text.and_then(|text| parse_duration(text)).unwrap_or(default)
    }
}

/// For `#[tf(validate = ...)]`: a Go duration that is not negative.
///
/// # Errors
/// It is none.
pub fn valid(text: &String) -> Result<(), String> {
    match parse_duration(text) {
        Some(_) => Ok(()),
        None => Err(format!("must be a duration such as \"30s\", \"10m\" or \"1h30m\", not {text:?}")),
    }
}

/// Reads a Go duration: numbers, each with a unit of `ns`, `us`, `ms`, `s`, `m` or `h`. `None` if it is none, negative, or
/// longer than a [`Duration`] holds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn other_text_is_no_duration() {
        for text in ["", "1", "h", "-1s", "1 h", "1d", "1h30", "99999999999999999999h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
