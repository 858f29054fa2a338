//! `modules.alias`: which module drives which device, as shell patterns over modalias strings (kmod's fnmatch without flags).
//!
//! Patterns come from the ramdisk, which the boot script vouches for; matching is still bounded: it never recurses and
//! takes at most (pattern x text) steps.

use std::collections::BTreeMap;

/// Patterns by the bus they begin with (`pci`, `virtio`), so that a device is compared with its own kind only.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<String, Vec<(String, String)>>);

impl Table {
    /// Reads lines of `alias PATTERN MODULE`.
    pub(super) fn parse(text: &str) -> Self {
        let mut table: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            if let (Some("alias"), Some(pattern), Some(module)) = (words.next(), words.next(), words.next()) {
                let entry = (pattern.to_owned(), module.to_owned());
                table.entry(bus(pattern).to_owned()).or_default().push(entry);
            }
        }
        Self(table)
    }

    /// The modules whose pattern fits `modalias`.
    pub(super) fn matching<'a>(&'a self, modalias: &'a str) -> impl Iterator<Item = &'a str> {
        let patterns = self.0.get(bus(modalias)).into_iter().flatten();
        patterns.filter(move |(pattern, _)| matches(pattern, modalias)).map(|(_, module)| module.as_str())
    }
}

fn bus(alias: &str) -> &str {
    alias.split(':').next().unwrap_or(alias)
}

/// Does the shell pattern fit the whole text? `*`, `?` and `[a-z]` are special.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last star turns out not to fit: the star takes one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        let next = text.get(t);
        match (rest.first(), next) {
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(_), Some(byte)) => {
                if let Some(length) = one(rest, *byte) {
                    p += length;
                    t += 1;
                    continue;
                }
            }
            _ => {}
        }
        match retry {
            Some((after_star, taken)) if taken < text.len() => {
                retry = Some((after_star, taken + 1));
                p = after_star;
                t = taken + 1;
            }
            _ => return false,
        }
    }
}

/// If the pattern's first element fits `byte`, how long that element is.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            let end = set.iter().position(|b| *b == b']')?;
            let mut set = set.get(..end)?;
            while let [first, rest @ ..] = set {
                let last = match rest {
                    [b'-', last, ..] => last,
                    _ => first,
                };
                if (*first..=*last).contains(&byte) {
                    return Some(end + 2);
                }
                set = if last == first { rest } else { rest.get(2..).unwrap_or_default() };
            }
            None
        }
        [first, ..] if *first == byte => Some(1),
        _ => None,
    }
}
