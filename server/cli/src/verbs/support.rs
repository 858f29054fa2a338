//! `underlay support-bundle`: what somebody needs who helps from afar, in one file, with secrets taken out.
//!
//! Everything in it comes from the public API, which tells no secrets; the scrubber is there for what people wrote into
//! names, labels and notes, and for what a console said.

mod scrub;

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use anyhow::Context;
use clap::Args;
use flate2::{Compression, write::GzEncoder};
use underlay_proto::v1::{
    self, ExplainRequest, InfoRequest, ListAuditRequest, ListOperationsRequest, LogsRequest, ObjectRef,
    Selector, audit_service_client::AuditServiceClient, operation_service_client::OperationServiceClient,
    selector::By, server_service_client::ServerServiceClient,
};

use super::{Shared, logs};
use crate::{
    connect::{ANSWER, Connection},
    exit::Error,
    fleet::{choice::Choice, member::Member, row::Row},
    output,
};

/// Objects of each noun that are described; whoever has more has the same troubles among the first.
const OBJECTS: usize = 2000;
/// Objects in trouble that are explained, with their logs.
const EXPLAINED: usize = 50;
/// Rows of operations and of the audit.
const ROWS: i32 = 500;

/// Collect objects, history and logs into one file for whoever helps, without secrets
#[derive(Args, Debug)]
pub struct SupportBundle {
    /// Where it goes; must not be there yet
    #[arg(long, value_name = "FILE", default_value = "underlay-support.tar.gz")]
    to: PathBuf,
}

/// The file under way.
struct Bundle<W: Write> {
    tar: tar::Builder<GzEncoder<W>>,
    /// What could not be had.
    missing: Vec<String>,
}

pub(super) async fn run(bundle: SupportBundle, shared: Shared) -> Result<(), Error> {
    let connection = shared.target.connect().await?;
    let path = bundle.to;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let file = file.with_context(|| format!("making {}", path.display())).map_err(Error::Local)?;
    let tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let mut bundle = Bundle { tar, missing: Vec::new() };
    bundle.collect(&connection, &shared).await?;
    let missing = std::mem::take(&mut bundle.missing);
    bundle.add("missing.txt", &missing.join("\n"))?;
    let file = bundle.tar.into_inner().and_then(GzEncoder::finish);
    file.and_then(|file| file.sync_all())
        .with_context(|| format!("writing {}", path.display()))
        .map_err(Error::Local)?;
    for what in &missing {
        eprintln!("left out: {what}");
    }
    println!("{}: look through it before you send it on", path.display());
    Ok(())
}

impl<W: Write> Bundle<W> {
    async fn collect(&mut self, connection: &Connection, shared: &Shared) -> Result<(), Error> {
        self.add("client.txt", &format!("underlay {}\n", env!("CARGO_PKG_VERSION")))?;
        let info = ServerServiceClient::new(connection.clone()).info(InfoRequest {}).await;
        self.answer("server.json", info.map(|info| output::json(info.get_ref())))?;
        let mut trouble = Vec::new();
        trouble.extend(self.noun::<v1::Host>(connection, shared).await?);
        trouble.extend(self.noun::<v1::Machine>(connection, shared).await?);
        trouble.extend(self.noun::<v1::Image>(connection, shared).await?);
        trouble.extend(self.noun::<v1::Pool>(connection, shared).await?);
        trouble.extend(self.noun::<v1::Network>(connection, shared).await?);
        self.noun::<v1::Profile>(connection, shared).await?;
        self.noun::<v1::Step>(connection, shared).await?;
        self.noun::<v1::Site>(connection, shared).await?;
        self.noun::<v1::Credential>(connection, shared).await?;
        let mut client = OperationServiceClient::new(connection.clone()).max_decoding_message_size(ANSWER);
        let listed = client.list(ListOperationsRequest { object: None, limit: ROWS }).await;
        self.answer("operations.json", listed.map(|listed| output::json(listed.get_ref())))?;
        let mut audit = AuditServiceClient::new(connection.clone()).max_decoding_message_size(ANSWER);
        let rows = audit.list(ListAuditRequest { page_size: ROWS, ..Default::default() }).await;
        self.answer("audit.json", rows.map(|rows| output::json(rows.get_ref())))?;
        if trouble.len() > EXPLAINED {
            self.missing
                .push(format!("the explanations of {} more objects in trouble", trouble.len() - EXPLAINED));
        }
        for (object, name) in trouble.into_iter().take(EXPLAINED) {
            let file = format!("trouble/{}-{name}", object.kind);
            let request = ExplainRequest { object: Some(object.clone()), values: false };
            let explained = client.explain(request).await;
            self.answer(&format!("{file}.json"), explained.map(|it| output::json(it.get_ref())))?;
            if !matches!(object.kind.as_str(), "host" | "machine") {
                continue;
            }
            let request = LogsRequest { object: Some(object), serial: true, ..Default::default() };
            match client.logs(request).await {
                Ok(answer) => self.add(&format!("{file}.log"), &logs::text(answer.get_ref()))?,
                Err(status) => self.missing.push(format!("{file}.log: {}", status.message())),
            }
        }
        Ok(())
    }

    /// Adds the objects of a noun, a line each; returns those in trouble.
    async fn noun<N: Member>(
        &mut self,
        connection: &Connection,
        shared: &Shared,
    ) -> Result<Vec<(ObjectRef, String)>, Error> {
        let choice = Choice { all_owners: true, every_site: true, ..Choice::default() };
        let chosen = choice.read::<N>(connection, &shared.target).await?;
        let (mut lines, mut trouble, mut request) = (String::new(), Vec::new(), chosen.request.clone());
        let mut count = 0;
        while count < OBJECTS {
            let (page, next) = N::page(connection.clone(), request.clone()).await?;
            for object in page {
                count += 1;
                lines.push_str(&format!("{}\n", scrub::value(output::json(&object)?)));
                let row: Row = object.row();
                if row.is_in_trouble() {
                    let by = object.meta().map(|meta| By::Id(meta.id.clone()));
                    let kind = N::KINDS.trim_end_matches('s').to_owned();
                    trouble.push((
                        ObjectRef { kind, selector: Some(Selector { by }) },
                        row.name.replace('/', "-"),
                    ));
                }
            }
            if next.is_empty() {
                break;
            }
            request.page_token = next;
        }
        self.add(&format!("{}.jsonl", N::KINDS), &lines)?;
        Ok(trouble)
    }

    /// Adds an answer of the server, or notes that there was none.
    fn answer(
        &mut self,
        name: &str,
        answer: Result<anyhow::Result<serde_json::Value>, tonic::Status>,
    ) -> Result<(), Error> {
        match answer {
            Ok(value) => {
                let value = scrub::value(value.map_err(Error::Local)?);
                self.add(name, &format!("{value:#}\n"))
            }
            Err(status) => {
                self.missing.push(format!("{name}: {}", status.message()));
                Ok(())
            }
        }
    }

    fn add(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let text = scrub::text(text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(output::now()).unwrap_or_default());
        let path = format!("underlay-support/{name}");
        self.tar
            .append_data(&mut header, path, text.as_bytes())
            .with_context(|| format!("adding {name}"))
            .map_err(Error::Local)
    }
}
