//! What became of a machine's steps, for readers: bounded, the newest deployment only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Planned, When};
use crate::profile::Values;

/// The most of a reason that is kept, in characters.
const WORDS: usize = 400;

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name, as a pool or the machine has it.
    pub name: String,
    /// Before or after the deployment.
    pub when: When,
    /// Its tries, oldest first.
    pub attempts: Vec<Attempt>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub outputs: Values,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub began: Timestamp,
    /// How it ended; left out while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ending>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// Why it did not go well; left out where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Record {
    /// A try has begun.
    pub fn begin(records: &mut Vec<Self>, when: When, step: &Planned, began: Timestamp) {
        let place = match records.iter().position(|it| it.when == when && it.name == step.name) {
            Some(place) => place,
            None => {
                let (name, attempts, outputs) = (step.name.clone(), Vec::new(), Values::new());
                records.push(Self { name, when, attempts, outputs });
                records.len() - 1
            }
        };
        if let Some(record) = records.get_mut(place) {
            record.attempts.push(Attempt { began, ended: None });
        }
    }

    /// The try that is under way has ended: with `outputs`, or for the reason given.
    pub fn end(
        records: &mut [Self],
        (when, name): (When, &str),
        at: Timestamp,
        outcome: std::result::Result<Values, String>,
    ) {
        let Some(record) = records.iter_mut().find(|it| it.when == when && it.name == name) else { return };
        let why = match outcome {
            Ok(outputs) => {
                record.outputs = outputs;
                None
            }
            Err(why) => Some(why.chars().take(WORDS).collect()),
        };
        if let Some(last) = record.attempts.last_mut() {
            last.ended = Some(Ending { at, why });
        }
    }

    /// In a sentence: `went well at try 2 of 3 tries; 1: HTTP 500`.
    pub fn words(&self) -> String {
        let tries = self.attempts.len();
        let failed = |(at, attempt): (usize, &Attempt)| {
            let why = attempt.ended.as_ref()?.why.as_ref()?;
            Some(format!("try {}: {why}", at + 1))
        };
        let faults: Vec<String> = self.attempts.iter().enumerate().filter_map(failed).collect();
        let state = match self.attempts.last().map(|last| &last.ended) {
            None => "not begun".to_owned(),
            Some(None) => format!("try {tries} is under way"),
            Some(Some(ending)) if ending.why.is_none() => format!("went well at try {tries}"),
            Some(Some(_)) => format!("failed at try {tries}"),
        };
        let outputs: Vec<String> =
            self.outputs.iter().take(8).map(|(name, value)| format!("{name} = {value}")).collect();
        [state]
            .into_iter()
            .chain(faults)
            .chain(outputs)
            .collect::<Vec<_>>()
            .join("; ")
            .chars()
            .take(2000)
            .collect()
    }
}

/// Forgets what became of the steps of that part: they are done anew.
pub fn records(records: &mut Vec<Record>, when: When) {
    records.retain(|record| record.when != when);
}
