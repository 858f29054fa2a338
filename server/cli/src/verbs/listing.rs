//! Objects of a noun, page by page: as JSON a line each, as rows, or grouped where rows would not fit. Holds no more than
//! a page of them, or than a terminal has lines.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use super::Shared;
use crate::{
    connect::{Connection, Target},
    exit::Error,
    fleet::{
        choice::{Choice, Chosen},
        grouping::Grouping,
        member::Member,
        row::Row,
        summary::{self, Detail},
    },
    output::{self, Columns, Format},
};

/// What is listed, and how.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) choice: Choice,
    pub(super) layout: Layout,
    pub(super) target: Target,
}

/// Rows or a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// However many there are.
    Rows,
    /// However few there are.
    Summary,
    /// Rows, if there are at most so many.
    Fitting(usize),
}

impl Layout {
    /// As it was asked for; else what fits a terminal, and rows for a file or a pipe.
    pub(super) fn asked(rows: bool, summary: bool) -> Self {
        match (rows, summary) {
            (true, _) => Layout::Rows,
            (_, true) => Layout::Summary,
            _ if !io::stdout().is_terminal() => Layout::Rows,
            // The head and the prompt behind it have lines too.
            _ => Layout::Fitting(usize::from(console::Term::stdout().size().0).saturating_sub(3).max(1)),
        }
    }
}

/// Lists objects of a noun; `cells` makes a line of one, under `head`.
pub(super) async fn list<N: Member>(
    connection: Connection,
    wanted: Wanted,
    format: Format,
    head: &[&str],
    cells: impl Fn(&N) -> Vec<String>,
) -> Result<(), Error> {
    let chosen = wanted.choice.read::<N>(&connection, &wanted.target).await?;
    let mut out = Listing::new(BufWriter::new(io::stdout().lock()), format, wanted.layout, head);
    let shown = each_page::<N>(&connection, &chosen, |page| {
        page.iter().try_for_each(|(object, row)| out.add(object, row, &cells))?;
        out.flush()
    });
    match unless_closed(shown.await)? {
        Reading::Complete => unless_closed(out.finish(N::KINDS)).map(drop),
        Reading::GivenUp => Ok(()),
    }
}

/// Did somebody read to the end?
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Complete,
    GivenUp,
}

/// Who closed the pipe has read enough; that is no error.
pub(super) fn unless_closed(result: Result<(), Error>) -> Result<Reading, Error> {
    match result {
        Ok(()) => Ok(Reading::Complete),
        Err(Error::Local(error))
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) =>
        {
            Ok(Reading::GivenUp)
        }
        Err(error) => Err(error),
    }
}

/// Hands on page after page of what is chosen.
pub(super) async fn each_page<N: Member>(
    connection: &Connection,
    chosen: &Chosen,
    mut show: impl FnMut(Vec<(N, Row)>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut request = chosen.request.clone();
    loop {
        let (page, next) = N::page(connection.clone(), request.clone()).await?;
        let page = page.into_iter().filter(|object| chosen.has(object)).map(|object| {
            let row = object.row();
            (object, row)
        });
        show(page.filter(|(_, row)| chosen.shows(row)).collect())?;
        if next.is_empty() {
            return Ok(());
        }
        request.page_token = next;
    }
}

/// The grouping of everything that is chosen, each row changed by `enrich` first.
pub(super) async fn group<N: Member>(
    connection: &Connection,
    choice: &Choice,
    shared: &Shared,
    enrich: impl Fn(&N, &mut Row),
) -> Result<Grouping, Error> {
    let chosen = choice.read::<N>(connection, &shared.target).await?;
    let mut grouping = Grouping::default();
    each_page::<N>(connection, &chosen, |page| {
        for (object, mut row) in page {
            enrich(&object, &mut row);
            grouping.add(&row);
        }
        Ok(())
    })
    .await?;
    Ok(grouping)
}

/// Where the objects of a listing go.
struct Listing<'h, W> {
    out: W,
    format: Format,
    layout: Layout,
    head: &'h [&'h str],
    grouping: Grouping,
    columns: Columns,
    rows: Vec<Vec<String>>,
    is_begun: bool,
}

impl<'h, W: Write> Listing<'h, W> {
    fn new(out: W, format: Format, layout: Layout, head: &'h [&'h str]) -> Self {
        Self {
            out,
            format,
            layout,
            head,
            grouping: Grouping::default(),
            columns: Columns::default(),
            rows: Vec::new(),
            is_begun: false,
        }
    }

    fn add<N: Member>(
        &mut self,
        object: &N,
        row: &Row,
        cells: &impl Fn(&N) -> Vec<String>,
    ) -> Result<(), Error> {
        match (self.format, self.layout) {
            (Format::Json, Layout::Rows | Layout::Fitting(_)) => {
                writeln!(self.out, "{}", output::json(object)?).map_err(local)?;
                return Ok(());
            }
            (Format::Json, Layout::Summary) | (Format::Table, Layout::Summary) => {}
            (Format::Table, Layout::Rows) => self.rows.push(cells(object)),
            (Format::Table, Layout::Fitting(lines)) if self.rows.len() < lines => {
                self.rows.push(cells(object))
            }
            (Format::Table, Layout::Fitting(_)) => {
                self.layout = Layout::Summary;
                self.rows = Vec::new();
            }
        }
        self.grouping.add(row);
        Ok(())
    }

    /// Shows the rows of a page, unless it is not decided yet whether there will be any.
    fn flush(&mut self) -> Result<(), Error> {
        if self.layout == Layout::Rows {
            self.show_rows()?;
        }
        self.out.flush().map_err(local)
    }

    fn show_rows(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let lines = self.columns.lines(self.head, &self.rows);
        self.rows.clear();
        if !self.is_begun {
            self.is_begun = true;
            writeln!(self.out, "{}", self.columns.head(self.head)).map_err(local)?;
        }
        lines.iter().try_for_each(|line| writeln!(self.out, "{line}")).map_err(local)
    }

    fn finish(&mut self, kinds: &str) -> Result<(), Error> {
        match (self.format, self.layout) {
            (Format::Json, Layout::Rows | Layout::Fitting(_)) => {}
            (Format::Json, Layout::Summary) => {
                writeln!(self.out, "{:#}", summary::json(kinds, &self.grouping)).map_err(local)?;
            }
            (Format::Table, _) if self.grouping.total == 0 => eprintln!("none"),
            (Format::Table, Layout::Rows | Layout::Fitting(_)) => self.show_rows()?,
            (Format::Table, Layout::Summary) => {
                let lines = summary::lines(kinds, &self.grouping, Detail::Line, output::now());
                lines.iter().try_for_each(|line| writeln!(self.out, "{line}")).map_err(local)?;
                writeln!(
                    self.out,
                    "\nmore: underlay explain {kinds}; each: --rows, --trouble, --phase, --pool, --label"
                )
                .map_err(local)?;
            }
        }
        self.out.flush().map_err(local)
    }
}

/// Writing failed.
pub(super) fn local(error: io::Error) -> Error {
    Error::Local(error.into())
}

#[cfg(test)]
mod tests {
    use underlay_proto::v1;

    use super::*;

    fn shown(count: u32, format: Format, layout: Layout) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::new(&mut out, format, layout, &["NAME"]);
        let name = |host: &v1::Host| vec![crate::fleet::row::name(host.meta.as_ref())];
        for number in 0..count {
            let key = v1::Key { name: format!("r{number}"), ..Default::default() };
            let host = v1::Host {
                meta: Some(v1::Meta { key: Some(key), ..Default::default() }),
                ..Default::default()
            };
            listing.add(&host, &host.row(), &name).expect("memory");
            if number % 500 == 499 {
                listing.flush().expect("memory");
            }
        }
        listing.finish("hosts").expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn eight_are_rows_on_any_terminal() {
        assert_eq!(shown(8, Format::Table, Layout::Fitting(21)).lines().count(), 9);
    }

    #[test]
    fn what_does_not_fit_is_grouped() {
        let text = shown(10_000, Format::Table, Layout::Fitting(21));
        assert!(text.starts_with("10,000 hosts: 0 in trouble"), "{text}");
        assert!(text.lines().count() < 21, "{text}");
    }

    #[test]
    fn rows_that_were_asked_for_are_all_there_under_one_head() {
        let text = shown(1200, Format::Table, Layout::Rows);
        assert_eq!(text.lines().count(), 1201);
        assert_eq!(text.lines().filter(|line| *line == "NAME").count(), 1);
    }

    #[test]
    fn json_is_an_object_a_line() {
        let text = shown(1200, Format::Json, Layout::Fitting(5));
        assert_eq!(text.lines().count(), 1200);
        let each =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value.is_object());
        assert!(text.lines().all(each));
    }
}
