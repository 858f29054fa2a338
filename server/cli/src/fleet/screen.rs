//! As many lines as a terminal has: every object where they fit, else states and causes, then what changed last.
//! Pure; who draws them is elsewhere.

use super::{
    grouping::Grouping,
    row::Row,
    summary::{self, Detail},
};
use crate::output;

/// What a terminal holds.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub lines: usize,
    pub columns: usize,
}

/// Objects of a kind.
pub struct Section<'a> {
    /// `machines`.
    pub kinds: &'static str,
    pub rows: &'a [&'a Row],
}

/// The lines of a screen; never more than it has, and none longer. `recent` is what changed, newest first.
pub fn draw(sections: &[Section<'_>], recent: &[String], size: Size, now: i64) -> Vec<String> {
    let rows: usize = sections.iter().map(|section| section.rows.len()).sum();
    // A headline, a head and a blank line beside the rows of each.
    let fits = rows + 3 * sections.len() <= size.lines;
    let mut lines = Vec::new();
    for section in sections {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let grouping: Grouping = section.rows.iter().copied().collect();
        if fits {
            lines.push(summary::headline(section.kinds, &grouping));
            lines.extend(every(section.rows, now));
        } else {
            lines.extend(share(section.kinds, &grouping, size.lines / sections.len(), now));
        }
    }
    if !recent.is_empty() && lines.len() + 3 <= size.lines {
        lines.extend([String::new(), "last changes:".into()]);
        lines.extend(recent.iter().map(|line| format!("  {line}")));
    }
    lines.truncate(size.lines);
    lines.iter().map(|line| console::truncate_str(line, size.columns, "…").into_owned()).collect()
}

/// The grouping in so many lines; what is wrong comes before what is under way and is cut last.
fn share(kinds: &str, grouping: &Grouping, lines: usize, now: i64) -> Vec<String> {
    let mut shown = summary::lines(kinds, grouping, Detail::Line, now);
    if shown.len() > lines {
        let hidden = shown.len() + 1 - lines;
        shown.truncate(lines.saturating_sub(1));
        shown.push(format!("  ({hidden} lines more: underlay explain {kinds})"));
    }
    shown
}

fn every(rows: &[&Row], now: i64) -> Vec<String> {
    let mut rows = rows.to_vec();
    rows.sort_by(|one, other| one.by_urgency(other));
    let cells = |row: &&Row| {
        let age = row.since.map_or("-".into(), |since| output::age(now - since));
        vec![row.name.clone(), row.phase.clone(), age, standing(row)]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::table(&["NAME", "PHASE", "FOR", "WAITING FOR"], &cells).lines().map(str::to_owned).collect()
}

/// What troubles it or what it waits for, with how much of it is done.
pub fn standing(row: &Row) -> String {
    let why = row.cause.as_ref().map_or(String::new(), |cause| cause.why.replace('\n', " "));
    match row.amount {
        Some((done, total)) if !row.is_in_trouble() => {
            format!("{why} ({}%)", done.saturating_mul(100) / total.max(1))
        }
        _ => why,
    }
}
