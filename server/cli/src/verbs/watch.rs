//! `underlay watch KIND/NAME`: an object's work as it happens; `underlay watch KIND` is [`super::watch_fleet`]. On a terminal a line per phase with a progress bar; in a
//! pipe plain lines; with `-o json` one event a line.

use std::io::IsTerminal;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use underlay_proto::v1::{
    Amount, OperationEvent, WatchOperationsRequest, amount, operation_service_client::OperationServiceClient,
};

use super::{
    Shared,
    watch_fleet::{self, Ends},
};
use crate::{
    exit::Error,
    fleet::choice::Choice,
    name,
    output::{self, Format},
};

/// Follow an object's work live, or a fleet's
#[derive(Args, Debug)]
pub struct Watch {
    /// KIND/NAME, for example machine/web-0; or KIND for all of them [default: machines and hosts]
    object: Option<String>,
    /// End when nothing is under way any more: exit 0 when it is as wanted, 6 when it failed
    #[arg(long)]
    until_settled: bool,
    #[command(flatten)]
    choice: Choice,
}

pub(super) async fn run(watch: Watch, shared: Shared) -> Result<(), Error> {
    let Some(named) = watch.object.as_deref().filter(|object| object.contains('/')) else {
        let ends = if watch.until_settled { Ends::WhenSettled } else { Ends::Never };
        return watch_fleet::run(watch.object.as_deref(), &watch.choice, ends, &shared).await;
    };
    let object = name::object(named, &shared.target.site, &shared.target.owner)?;
    let connection = shared.target.connect().await?;
    super::brakes::remind(&connection, &shared.target.site).await;
    let request = WatchOperationsRequest { object: Some(object), until_settled: watch.until_settled };
    let mut events = OperationServiceClient::new(connection).watch(request).await?.into_inner();
    let mut screen = Screen::new(named, shared.output);
    let mut last = None;
    while let Some(event) = events.message().await? {
        screen.show(&event)?;
        last = Some(event);
    }
    screen.end();
    let failure = last.and_then(|event| event.standing).and_then(|standing| standing.failure);
    match failure {
        Some(failure) if watch.until_settled => Err(Error::Failed(output::failure(&failure))),
        _ => Ok(()),
    }
}

struct Screen {
    object: String,
    format: Format,
    bar: Option<ProgressBar>,
    phase: String,
    line: String,
}

impl Screen {
    fn new(object: &str, format: Format) -> Self {
        let live = format == Format::Table && std::io::stderr().is_terminal();
        let bar = live.then(ProgressBar::new_spinner);
        Self { object: object.into(), format, bar, phase: String::new(), line: String::new() }
    }

    fn show(&mut self, event: &OperationEvent) -> Result<(), Error> {
        if self.format == Format::Json {
            println!("{}", output::json(event)?);
            return Ok(());
        }
        let standing = event.standing.clone().unwrap_or_default();
        let gone = event.meta.as_ref().is_some_and(|meta| meta.purged_at.is_some());
        let phase = if gone { "gone".to_owned() } else { standing.phase.clone() };
        let waiting = match &standing.failure {
            Some(failure) => output::failure(failure),
            None => standing.waiting_for.clone(),
        };
        if phase != self.phase {
            self.phase.clone_from(&phase);
            self.print(&format!("{}  {:<13} {}", output::time(standing.since), phase, self.object));
        }
        match &self.bar {
            Some(bar) => draw(bar, standing.amount.as_ref(), &waiting),
            None if !waiting.is_empty() && waiting != self.line => {
                println!("    {waiting}");
                self.line = waiting;
            }
            None => {}
        }
        Ok(())
    }

    fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, done: Option<&Amount>, waiting: &str) {
    match done.filter(|done| done.total > 0) {
        Some(done) => {
            let template = if done.unit() == amount::Unit::Bytes {
                "    {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}"
            } else {
                "    {bar:30} {pos}/{len} {msg}"
            };
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_length(done.total);
            bar.set_position(done.done);
        }
        None => {
            bar.set_style(ProgressStyle::default_spinner());
            bar.tick();
        }
    }
    bar.set_message(waiting.to_owned());
}
