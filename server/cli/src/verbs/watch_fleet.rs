//! `underlay watch` and `underlay watch KIND`: a fleet as it changes. On a terminal a screen that is never longer than the
//! terminal; in a pipe a summary and then a line for each change; with `-o json` one event a line.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, IsTerminal, Write},
    time::Duration,
};

use console::Term;
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use underlay_proto::v1::{self, WatchRequest};

use super::{
    Shared,
    listing::{Reading, local, unless_closed},
};
use crate::{
    connect::Connection,
    exit::Error,
    fleet::{
        choice::{Choice, Chosen},
        grouping::Grouping,
        member::{Change, Member},
        row::{Class, Row},
        screen::{self, Section, Size},
        summary::{self, Detail},
    },
    name,
    output::{self, Format},
};

/// Events that wait to be shown.
const WAITING: usize = 256;
/// The screen is drawn at most this often.
const FRAME: Duration = Duration::from_millis(250);
/// And at least this often, because what it says of ages grows old.
const STALE: u32 = 8;
/// Changes that are remembered for the screen.
const RECENT: usize = 50;

/// When watching ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Never,
    /// When nothing is under way any more.
    WhenSettled,
}

/// What a kind's watch says.
enum Update {
    /// An object is so now; `None` where it is gone.
    Row { section: usize, id: String, row: Option<Box<Row>> },
    /// One event, for scripts.
    Json(String),
    /// Everything that was there has been told.
    Complete(usize),
    /// Everything is told anew.
    Anew(usize),
}

pub(super) async fn run(
    kinds: Option<&str>,
    choice: &Choice,
    ends: Ends,
    shared: &Shared,
) -> Result<(), Error> {
    let kind = kinds.map(name::kind).transpose()?;
    let connection = shared.target.connect().await?;
    super::brakes::remind(&connection, &shared.target.site).await;
    let mut fleet = Fleet::default();
    let mut tasks = JoinSet::new();
    let (updates, received) = mpsc::channel(WAITING);
    macro_rules! follow {
        ($Noun:ident) => {{
            let chosen = choice.read::<v1::$Noun>(&connection, &shared.target).await?;
            let section = fleet.open(v1::$Noun::KINDS);
            let (connection, updates) = (connection.clone(), updates.clone());
            tasks.spawn(follow::<v1::$Noun>(connection, chosen, section, shared.output, updates));
        }};
    }
    match kind {
        None => {
            follow!(Machine);
            follow!(Host);
        }
        Some("site") => follow!(Site),
        Some("profile") => follow!(Profile),
        Some("step") => follow!(Step),
        Some("pool") => follow!(Pool),
        Some("network") => follow!(Network),
        Some("credential") => follow!(Credential),
        Some("image") => follow!(Image),
        Some("host") => follow!(Host),
        Some(_) => follow!(Machine),
    }
    // The tasks have the others; when they end, so does this.
    drop(updates);
    fleet.filter = Chosen::of_rows(choice);
    let shown = show(&mut fleet, received, ends, shared.output).await;
    if unless_closed(shown)? == Reading::GivenUp || ends == Ends::WhenSettled && fleet.is_settled() {
        tasks.shutdown().await;
        return fleet.verdict(ends);
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(anyhow::Error::from)??;
    }
    Ok(())
}

/// Follows a kind for ever, or until nobody listens.
async fn follow<N: Member>(
    connection: Connection,
    chosen: Chosen,
    section: usize,
    format: Format,
    updates: mpsc::Sender<Update>,
) -> Result<(), Error> {
    loop {
        let request = WatchRequest { filter: Some(chosen.request.clone()), ..WatchRequest::default() };
        let mut events = N::watch(connection.clone(), request).await?;
        let mut is_over = false;
        while !is_over {
            let Some(event) = events.message().await? else {
                return Err(anyhow::anyhow!("the server has ended the watch").into());
            };
            let line = if format == Format::Json { Some(output::json(&event)?.to_string()) } else { None };
            let update = match N::change(event) {
                Change::Object(object) if !chosen.has(object.as_ref()) => continue,
                Change::Object(object) => {
                    let meta = object.meta().cloned().unwrap_or_default();
                    let row = meta.purged_at.is_none().then(|| Box::new(object.row()));
                    Update::Row { section, id: meta.id, row }
                }
                Change::Complete => Update::Complete(section),
                Change::Resync => {
                    is_over = true;
                    Update::Anew(section)
                }
            };
            let said = line.map(Update::Json).into_iter().chain([update]);
            for update in said {
                if updates.send(update).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Shows what arrives until watching ends.
async fn show(
    fleet: &mut Fleet,
    mut received: mpsc::Receiver<Update>,
    ends: Ends,
    format: Format,
) -> Result<(), Error> {
    let is_live = format == Format::Table && io::stdout().is_terminal();
    let mut screen = Live::new();
    let mut clock = tokio::time::interval(FRAME);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            update = received.recv() => {
                let Some(update) = update else { return Ok(()) };
                for line in fleet.take(update, format) {
                    if !is_live {
                        writeln!(io::stdout(), "{line}").map_err(local)?;
                    }
                }
                if ends == Ends::WhenSettled && fleet.is_settled() {
                    return if is_live { screen.draw(fleet) } else { Ok(()) };
                }
            }
            _ = clock.tick(), if is_live => screen.frame(fleet)?,
        }
    }
}

/// Everything that is watched.
#[derive(Default)]
struct Fleet {
    sections: Vec<Known>,
    filter: Chosen,
    /// Newest first.
    recent: VecDeque<String>,
    is_changed: bool,
}

/// The objects of a kind.
struct Known {
    kinds: &'static str,
    rows: HashMap<String, Row>,
    is_complete: bool,
}

impl Fleet {
    fn open(&mut self, kinds: &'static str) -> usize {
        self.sections.push(Known { kinds, rows: HashMap::new(), is_complete: false });
        self.sections.len() - 1
    }

    /// Takes in what was said; returns the lines that a reader without a screen gets.
    fn take(&mut self, update: Update, format: Format) -> Vec<String> {
        self.is_changed = true;
        let lines = match update {
            Update::Json(line) => return vec![line],
            Update::Row { section, id, row } => self.change(section, id, row.map(|row| *row)),
            Update::Complete(section) => self.complete(section),
            Update::Anew(section) => {
                if let Some(known) = self.sections.get_mut(section) {
                    known.rows.clear();
                    known.is_complete = false;
                }
                Vec::new()
            }
        };
        if format == Format::Json { Vec::new() } else { lines }
    }

    fn change(&mut self, section: usize, id: String, row: Option<Row>) -> Vec<String> {
        let Some(known) = self.sections.get_mut(section) else { return Vec::new() };
        let kind = known.kinds.trim_end_matches('s');
        let before = known.rows.remove(&id);
        let line =
            change(before.as_ref(), row.as_ref()).map(|what| format!("{}  {kind}/{what}", output::clock()));
        let shows = [&before, &row].into_iter().flatten().any(|row| self.filter.shows(row));
        if let Some(row) = row {
            known.rows.insert(id, row);
        }
        let Some(line) = line.filter(|_| known.is_complete && shows) else { return Vec::new() };
        self.recent.push_front(line.clone());
        self.recent.truncate(RECENT);
        vec![line]
    }

    fn complete(&mut self, section: usize) -> Vec<String> {
        let Some(known) = self.sections.get_mut(section) else { return Vec::new() };
        known.is_complete = true;
        let grouping: Grouping = known.rows.values().filter(|row| self.filter.shows(row)).collect();
        let mut lines = summary::lines(known.kinds, &grouping, Detail::Line, output::now());
        lines.push(String::new());
        lines
    }

    /// Is everything known, and nothing under way?
    fn is_settled(&self) -> bool {
        self.sections.iter().all(|known| known.is_complete && known.rows.values().all(|row| row.is_settled))
    }

    fn verdict(&self, ends: Ends) -> Result<(), Error> {
        let rows = || self.sections.iter().flat_map(|known| known.rows.values());
        let has_failed = |row: &&Row| row.cause.as_ref().is_some_and(|cause| cause.class == Class::Failed);
        if ends == Ends::Never || rows().filter(has_failed).count() == 0 {
            return Ok(());
        }
        let grouping: Grouping = rows().filter(has_failed).collect();
        Err(Error::Failed(summary::lines("objects", &grouping, Detail::Line, output::now()).join("\n")))
    }

    fn lines(&self, size: Size) -> Vec<String> {
        let shown: Vec<Vec<&Row>> = self
            .sections
            .iter()
            .map(|known| known.rows.values().filter(|row| self.filter.shows(row)).collect())
            .collect();
        let sections: Vec<Section<'_>> = self
            .sections
            .iter()
            .zip(&shown)
            .map(|(known, rows)| Section { kinds: known.kinds, rows })
            .collect();
        let recent: Vec<String> = self.recent.iter().cloned().collect();
        screen::draw(&sections, &recent, size, output::now())
    }
}

/// What is new about an object, in a line; nothing where only its progress is.
fn change(before: Option<&Row>, now: Option<&Row>) -> Option<String> {
    let Some(now) = now else { return before.map(|row| format!("{}  gone", row.name)) };
    let is_same = before.is_some_and(|before| before.phase == now.phase && before.pattern() == now.pattern());
    (!is_same)
        .then(|| format!("{}  {}  {}", now.name, now.phase, screen::standing(now)).trim_end().to_owned())
}

/// A terminal that is drawn over again and again.
struct Live {
    term: Term,
    drawn: usize,
    frames: u32,
}

impl Live {
    fn new() -> Self {
        Self { term: Term::buffered_stdout(), drawn: 0, frames: 0 }
    }

    /// Draws if there is news, or if the ages on it have grown old.
    fn frame(&mut self, fleet: &mut Fleet) -> Result<(), Error> {
        self.frames += 1;
        if !fleet.is_changed && self.frames < STALE {
            return Ok(());
        }
        self.frames = 0;
        self.draw(fleet)?;
        fleet.is_changed = false;
        Ok(())
    }

    fn draw(&mut self, fleet: &Fleet) -> Result<(), Error> {
        let (lines, columns) = self.term.size();
        // The cursor stands below the last line.
        let size = Size { lines: usize::from(lines).saturating_sub(1).max(1), columns: usize::from(columns) };
        let lines = fleet.lines(size);
        self.term.move_cursor_up(self.drawn.min(size.lines)).map_err(local)?;
        self.term.clear_to_end_of_screen().map_err(local)?;
        for line in &lines {
            self.term.write_line(line).map_err(local)?;
        }
        self.drawn = lines.len();
        self.term.flush().map_err(local)
    }
}
