//! Objects by state and by cause. Takes one object after the other and keeps none: its memory grows with the number of
//! states and of different causes, up to a bound, never with the number of objects.

use std::collections::{BTreeMap, HashMap};

use super::{
    row::{Class, Row, natural},
    shared::Counts,
    text::Wording,
};

/// Names that a group shows.
pub const EXAMPLES: usize = 4;
/// Different causes that are told apart; more than these are counted together.
const CAUSES: usize = 500;
/// The pattern of those; no message has it.
const OTHER: &str = "\u{2}";

/// Objects of a kind, counted.
#[derive(Debug, Default)]
pub struct Grouping {
    /// By the word for their state.
    pub states: BTreeMap<String, Group>,
    causes: HashMap<Key, Ill>,
    /// How many there are, are under way, and are in trouble.
    pub total: usize,
    pub at_work: usize,
    pub in_trouble: usize,
    /// What all of them have.
    pub traits: Counts,
}

/// Some objects.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub count: usize,
    /// When the first and the last of them came into their state, in seconds since 1970.
    pub oldest: Option<i64>,
    pub youngest: Option<i64>,
    /// The first of their names, as people count.
    pub examples: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    class: Class,
    pattern: String,
}

/// Objects with one cause.
#[derive(Debug)]
pub struct Ill {
    /// How bad it is.
    pub class: Class,
    /// Who.
    pub group: Group,
    /// What failed, and the evidence.
    pub why: Wording,
    /// What to do about it, for the first of them.
    pub next: String,
    /// Whether that is the same for all.
    pub is_next_common: bool,
    /// What these have.
    pub traits: Counts,
}

impl Grouping {
    /// Takes in an object.
    pub fn add(&mut self, row: &Row) {
        self.total += 1;
        self.at_work += usize::from(!row.is_settled && !row.is_in_trouble());
        self.in_trouble += usize::from(row.is_in_trouble());
        self.traits.add(&row.traits);
        self.states.entry(row.phase.clone()).or_default().add(row);
        let (Some(cause), Some((class, pattern))) = (&row.cause, row.pattern()) else { return };
        let mut key = Key { class, pattern };
        if self.causes.len() >= CAUSES && !self.causes.contains_key(&key) {
            key.pattern = OTHER.into();
        }
        let is_other = key.pattern == OTHER;
        let ill = self.causes.entry(key).or_insert_with(|| Ill {
            class,
            group: Group::default(),
            why: if is_other { Wording::new("many other causes") } else { Wording::new(&cause.told()) },
            next: String::new(),
            is_next_common: true,
            traits: Counts::default(),
        });
        ill.group.add(row);
        if !is_other {
            ill.why.join(&cause.told());
            ill.is_next_common &= ill.next.is_empty() || ill.next == cause.next;
            if ill.group.examples.first() == Some(&row.name) {
                ill.next.clone_from(&cause.next);
            }
        }
        if cause.class.is_trouble() {
            ill.traits.add(&row.traits);
        }
    }

    /// All causes: the worst first, then those of most objects.
    pub fn causes(&self) -> Vec<&Ill> {
        let mut causes: Vec<&Ill> = self.causes.values().collect();
        causes.sort_by(|one, other| {
            let rank = |ill: &Ill| (ill.class, std::cmp::Reverse(ill.group.count));
            rank(one).cmp(&rank(other)).then_with(|| one.why.shown().cmp(&other.why.shown()))
        });
        causes
    }
}

impl<'r> FromIterator<&'r Row> for Grouping {
    fn from_iter<I: IntoIterator<Item = &'r Row>>(rows: I) -> Self {
        let mut grouping = Self::default();
        rows.into_iter().for_each(|row| grouping.add(row));
        grouping
    }
}

impl Group {
    fn add(&mut self, row: &Row) {
        self.count += 1;
        self.oldest = [self.oldest, row.since].into_iter().flatten().min();
        self.youngest = self.youngest.max(row.since);
        let place = self.examples.partition_point(|name| natural(name, &row.name).is_lt());
        if place < EXAMPLES {
            self.examples.insert(place, row.name.clone());
            self.examples.truncate(EXAMPLES);
        }
    }
}
