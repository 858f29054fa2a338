//! `underlay explain KIND/NAME`: where an object stands, since when, why, and what to do.

use clap::Args;
use underlay_proto::v1::{ExplainRequest, Explanation, operation_service_client::OperationServiceClient};

use super::Shared;
use crate::{
    exit::Error,
    fleet::choice::Choice,
    name,
    output::{self, Format, ago, time},
};

/// Say where an object stands, since when, why, and what to do; or what is wrong with a fleet
#[derive(Args, Debug)]
pub struct Explain {
    /// KIND/NAME, for example machine/web-0; or KIND for all of them
    object: String,
    /// How many lines of its history are shown
    #[arg(long, default_value_t = 10)]
    events: usize,
    /// Show a machine's attributes: each value, and who gives it
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    choice: Choice,
}

pub(super) async fn run(explain: Explain, shared: Shared) -> Result<(), Error> {
    if !explain.object.contains('/') {
        return super::explain_fleet::run(&explain.object, &explain.choice, &shared).await;
    }
    let object = name::object(&explain.object, &shared.target.site, &shared.target.owner)?;
    let connection = shared.target.connect().await?;
    super::brakes::remind(&connection, &shared.target.site).await;
    let request = ExplainRequest { object: Some(object), values: explain.values };
    let told = OperationServiceClient::new(connection).explain(request).await?.into_inner();
    match shared.output {
        Format::Json => println!("{:#}", output::json(&told)?),
        Format::Table if explain.values => print!("{}", values::text(&explain.object, &told)),
        Format::Table => print!("{}", text(&explain.object, &told, explain.events)),
    }
    Ok(())
}

mod values;

fn text(object: &str, told: &Explanation, events: usize) -> String {
    let mut lines = Vec::new();
    let standing = told.standing.clone().unwrap_or_default();
    lines.push(format!(
        "{object} is {}, since {} ({} ago)",
        standing.phase,
        time(standing.since),
        ago(standing.since)
    ));
    if let Some(failure) = &standing.failure {
        lines.push(format!("  because {}", output::failure(failure).replace('\n', "\n  ")));
    } else if !standing.waiting_for.is_empty() {
        lines.push(format!("  waiting for {}", output::standing(Some(&standing))));
        lines.push(format!(
            "  last evidence {} ago; decided at {}",
            ago(standing.evidence_at),
            standing.decided_at
        ));
    }
    section(&mut lines, "what to do", told.advice.iter().cloned());
    section(
        &mut lines,
        "evidence",
        told.evidence.iter().map(|seen| format!("{} ago  {}: {}", ago(seen.at), seen.source, seen.text)),
    );
    section(
        &mut lines,
        "related",
        told.related.iter().map(|other| {
            let name = other.key.as_ref().map(|key| key.name.clone()).unwrap_or_default();
            let why = other.failure.as_ref().map(|failure| format!(": {}", failure.why)).unwrap_or_default();
            format!("{}/{name} is {}{why}", other.kind, other.phase)
        }),
    );
    if let Some(operation) = told.operations.first() {
        let steps = operation.steps.iter().map(|step| {
            let until = step.left_at.map_or("now".into(), |left| time(Some(left)));
            let note = if step.note.is_empty() { String::new() } else { format!("  {}", step.note) };
            format!("{} to {until}  {}{note}", time(step.entered_at), step.phase)
        });
        section(&mut lines, &format!("last operation: {}", operation.verb), steps);
    }
    let history = told.events.iter().take(events);
    section(
        &mut lines,
        "history",
        history.map(|event| format!("{}  {}  {}", time(event.at), event.phase, event.text)),
    );
    lines.push(String::new());
    lines.join("\n")
}

fn section(lines: &mut Vec<String>, title: &str, content: impl Iterator<Item = String>) {
    let content: Vec<String> = content.map(|line| format!("  {line}")).collect();
    if !content.is_empty() {
        lines.push(format!("{title}:"));
        lines.extend(content);
    }
}
