//! One wording for messages that differ in names and numbers only: "writing at byte 4096 of /dev/sda" and "writing at
//! byte 8192 of /dev/sda" are one cause.
//!
//! A word with a digit in it, or that names the object itself or its host, is a variable. What is shown keeps those variables that
//! are the same in every message, and has `…` for the others.

/// A message in words, as others that mean the same have it too.
#[derive(Clone, Debug)]
pub struct Wording {
    /// Left out where messages differ.
    words: Vec<Option<String>>,
}

/// What messages of one wording have in common; compared, never shown.
pub fn pattern(message: &str, names: &[&str]) -> String {
    let mut pattern = String::with_capacity(message.len());
    for word in message.split_whitespace() {
        pattern.push_str(if is_variable(word, names) { "\u{1}" } else { word });
        pattern.push(' ');
    }
    pattern
}

fn is_variable(word: &str, names: &[&str]) -> bool {
    fn bare(text: &str) -> &str {
        text.trim_matches(|letter: char| !letter.is_alphanumeric())
    }
    let is_name = |part: &str| {
        let last = |name: &&&str| bare(name.rsplit('/').next().unwrap_or(name)) == bare(part);
        !bare(part).is_empty() && names.iter().any(|name| last(&name))
    };
    word.contains(|letter: char| letter.is_ascii_digit()) || word.split('/').any(is_name)
}

impl Wording {
    /// Of one message.
    pub fn new(message: &str) -> Self {
        Self { words: message.split_whitespace().map(|word| Some(word.to_owned())).collect() }
    }

    /// Takes in another message of the same pattern.
    pub fn join(&mut self, message: &str) {
        let mut words = message.split_whitespace();
        for kept in &mut self.words {
            if kept.as_deref() != words.next() {
                *kept = None;
            }
        }
        // Of another length after all: what is not in both is not common.
        if words.next().is_some() && self.words.last().is_some_and(Option::is_some) {
            self.words.push(None);
        }
    }

    /// Is every word the same in all of them?
    pub fn is_one(&self) -> bool {
        self.words.iter().all(Option::is_some)
    }

    /// What is shown.
    pub fn shown(&self) -> String {
        let mut shown: Vec<&str> = self.words.iter().map(|word| word.as_deref().unwrap_or("…")).collect();
        shown.dedup_by(|one, other| *one == "…" && *other == "…");
        shown.join(" ")
    }
}
