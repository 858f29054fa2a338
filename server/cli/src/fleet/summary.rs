//! A grouping as lines: states with counts and ages, then each cause with who has it and what to do.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{
    grouping::{Group, Grouping, Ill},
    row::Class,
    shared::Common,
};
use crate::output;

/// Causes that are listed; the others are counted.
const CAUSES: usize = 20;

/// How much is said of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A line.
    Line,
    /// Also what to do, and what they have in common.
    Advice,
}

/// All lines on the objects of a kind, at a time in seconds since 1970.
pub fn lines(kinds: &str, grouping: &Grouping, detail: Detail, now: i64) -> Vec<String> {
    let mut lines = vec![headline(kinds, grouping)];
    if grouping.total > 0 {
        lines.push(String::new());
        lines.extend(states(grouping, now));
        lines.extend(causes(grouping, detail, now));
    }
    lines
}

/// The same for scripts.
pub fn json(kinds: &str, grouping: &Grouping) -> Value {
    let group = |group: &Group| json!({"count": group.count, "oldest": group.oldest, "youngest": group.youngest, "examples": group.examples});
    let states: serde_json::Map<String, Value> =
        grouping.states.iter().map(|(phase, of_it)| (phase.clone(), group(of_it))).collect();
    let cause = |ill: &&Ill| {
        let common = ill.traits.common(&grouping.traits).into_iter();
        let common: Vec<Value> = common
            .map(|it| json!({"name": it.name, "value": it.value, "here": it.here, "everywhere": it.everywhere}))
            .collect();
        json!({
            "class": title(ill.class), "why": ill.why.shown(), "next": ill.next,
            "in_common": common, "objects": group(&ill.group),
        })
    };
    let causes: Vec<Value> = grouping.causes().iter().map(cause).collect();
    json!({
        "kinds": kinds, "total": grouping.total, "in_trouble": grouping.in_trouble, "at_work": grouping.at_work,
        "states": states, "causes": causes,
    })
}

/// How many there are, in a line.
pub fn headline(kinds: &str, grouping: &Grouping) -> String {
    let Grouping { total, at_work, in_trouble, .. } = grouping;
    format!(
        "{} {kinds}: {} in trouble, {} at work",
        thousands(*total),
        thousands(*in_trouble),
        thousands(*at_work)
    )
}

/// A table of states, most objects first.
pub fn states(grouping: &Grouping, now: i64) -> Vec<String> {
    let mut states: Vec<(&String, &Group)> = grouping.states.iter().collect();
    states.sort_by_key(|(_, group)| Reverse(group.count));
    let row = |(phase, group): &(&String, &Group)| {
        vec![(*phase).clone(), thousands(group.count), ages(group, now), examples(group)]
    };
    let rows: Vec<Vec<String>> = states.iter().map(row).collect();
    output::table(&["STATE", "COUNT", "FOR", "EXAMPLES"], &rows).lines().map(str::to_owned).collect()
}

/// The causes, worst first, under a title for each class.
pub fn causes(grouping: &Grouping, detail: Detail, now: i64) -> Vec<String> {
    let (mut lines, mut class) = (Vec::new(), None);
    let causes = grouping.causes();
    for ill in causes.iter().take(CAUSES) {
        if class != Some(ill.class) {
            class = Some(ill.class);
            let of_class = || causes.iter().filter(|other| other.class == ill.class);
            let count: usize = of_class().map(|ill| ill.group.count).sum();
            lines.push(String::new());
            lines.push(format!(
                "{}: {}, {}",
                title(ill.class),
                thousands(count),
                plural(of_class().count(), "cause")
            ));
        }
        lines.extend(cause(ill, grouping, detail, now));
    }
    if causes.len() > CAUSES {
        let rest: usize = causes.iter().skip(CAUSES).map(|ill| ill.group.count).sum();
        lines.push(format!(
            "  and {} more with {}",
            thousands(rest),
            plural(causes.len() - CAUSES, "other cause")
        ));
    }
    lines
}

fn cause(ill: &Ill, grouping: &Grouping, detail: Detail, now: i64) -> Vec<String> {
    let count = thousands(ill.group.count);
    let mut lines = vec![
        format!("  {count:>6}  {}", ill.why.shown()),
        format!("          {}; for {}", examples(&ill.group), ages(&ill.group, now)),
    ];
    if detail == Detail::Advice && ill.class.is_trouble() {
        let common = ill.traits.common(&grouping.traits);
        if !common.is_empty() {
            let told: Vec<String> = common.iter().map(|common| spell(common, ill.group.count)).collect();
            lines.push(format!("          in common: {}", told.join(", ")));
        }
        if !ill.next.is_empty() {
            let whose = match ill.group.examples.first() {
                Some(first) if !ill.is_next_common => format!(" (that is for {first})"),
                _ => String::new(),
            };
            lines.push(format!("          do: {}{whose}", ill.next));
        }
    }
    lines
}

fn spell(common: &Common, of: usize) -> String {
    let Common { name, value, here, everywhere } = common;
    format!("{name}={value} ({} of {}; {} in all)", thousands(*here), thousands(of), thousands(*everywhere))
}

/// What a class of causes is called.
pub fn title(class: Class) -> &'static str {
    match class {
        Class::Failed => "failed",
        Class::Retrying => "failed and tried again",
        Class::Condition => "not as it should be",
        Class::Held => "held back",
        Class::Waiting => "waiting",
    }
}

fn examples(group: &Group) -> String {
    let shown = group.examples.join(", ");
    match group.count - group.examples.len() {
        0 => shown,
        more => format!("{shown} and {} more", thousands(more)),
    }
}

/// `5m`, or `12s to 3h`.
fn ages(group: &Group, now: i64) -> String {
    let age = |since: Option<i64>| since.map_or("-".into(), |since| output::age(now - since));
    let (youngest, oldest) = (age(group.youngest), age(group.oldest));
    if youngest == oldest { oldest } else { format!("{youngest} to {oldest}") }
}

/// `10,000`.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(count)) }
}
