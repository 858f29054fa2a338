//! `underlay audit`: who asked for what, oldest of the newest first; `underlay audit verify`: is it whole?

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use underlay_proto::v1::{
    AuditRow, ListAuditRequest, VerifyAuditRequest, audit_service_client::AuditServiceClient,
};

use super::Shared;
use crate::{
    connect::ANSWER,
    exit::Error,
    name,
    output::{self, Format, or_dash, time},
};

/// Show who asked for what, or check that no row of it was changed or taken away
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    #[command(subcommand)]
    act: Option<Act>,
    /// Not older than this: 24h, 7d, or 2026-03-01T00:00:00Z
    #[arg(long, value_name = "AGE|TIME")]
    since: Option<String>,
    /// Only about this object, KIND/NAME or KIND/OWNER/NAME; it may be gone
    #[arg(long, value_name = "KIND/NAME")]
    object: Option<String>,
    /// Only asked by this token, or "unix socket"
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    who: String,
    /// How many of the newest
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Check every row: exit 0 when none was changed or taken away, 6 with the first that was
    Verify,
}

pub(super) async fn run(audit: Audit, shared: Shared) -> Result<(), Error> {
    let mut client =
        AuditServiceClient::new(shared.target.connect().await?).max_decoding_message_size(ANSWER);
    if let Some(Act::Verify) = audit.act {
        let verdict = client.verify(VerifyAuditRequest {}).await?.into_inner();
        if shared.output == Format::Json {
            println!("{:#}", output::json(&verdict)?);
        } else if verdict.fault.is_empty() {
            println!("whole: rows {} to {}; head {}", verdict.first, verdict.last, or_dash(&verdict.head));
        }
        return match verdict.fault.as_str() {
            "" => Ok(()),
            fault => Err(Error::Failed(format!(
                "the audit is not whole: {fault}; rows {} to {} should be there, {} were good",
                verdict.first, verdict.last, verdict.rows
            ))),
        };
    }
    let object = audit.object.as_deref();
    let object = object.map(|text| name::object(text, &shared.target.site, &shared.target.owner));
    let mut request = ListAuditRequest {
        since: audit.since.as_deref().map(since).transpose()?,
        object: object.transpose()?,
        who: audit.who,
        ..ListAuditRequest::default()
    };
    let mut rows: Vec<AuditRow> = Vec::new();
    while rows.len() < audit.limit {
        request.page_size = i32::try_from((audit.limit - rows.len()).min(1000)).unwrap_or(1000);
        let page = client.list(request.clone()).await?.into_inner();
        rows.extend(page.rows);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    rows.reverse();
    show(&rows, shared.output)
}

fn show(rows: &[AuditRow], format: Format) -> Result<(), Error> {
    if format == Format::Json {
        for row in rows {
            println!("{}", output::json(row)?);
        }
        return Ok(());
    }
    if rows.is_empty() {
        eprintln!("none");
        return Ok(());
    }
    let cells = |row: &AuditRow| {
        let mut cells = vec![row.seq.to_string(), time(row.at), row.who.clone(), row.via.clone()];
        cells.extend([row.method.clone(), or_dash(&row.object), row.outcome.clone(), row.detail.clone()]);
        cells
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    println!(
        "{}",
        output::table(&["ROW", "AT", "WHO", "FROM", "CALL", "OBJECT", "OUTCOME", "DETAIL"], &rows)
    );
    Ok(())
}

/// A point in time, or how long ago it was.
fn since(text: &str) -> Result<prost_types::Timestamp, Error> {
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => ago(text).ok_or_else(|| {
            Error::Usage(format!(
                "\"{text}\" is neither an age such as 24h or 7d nor a time such as 2026-03-01T00:00:00Z"
            ))
        })?,
    };
    Ok(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() })
}

fn ago(text: &str) -> Option<Timestamp> {
    let age = match text.strip_suffix('d').map(str::parse::<i64>) {
        Some(Ok(days)) => SignedDuration::from_hours(days.checked_mul(24)?),
        _ => text.parse::<SignedDuration>().context("an age").ok()?,
    };
    Timestamp::now().checked_sub(age).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_an_age_or_a_time() {
        assert_eq!(since("2026-03-01T00:00:00Z").expect("a time").seconds, 1_772_323_200);
        let now = Timestamp::now().as_second();
        for (text, seconds) in [("90m", 5400), ("24h", 86_400), ("7d", 7 * 86_400)] {
            let at = since(text).expect("an age").seconds;
            assert!((now - seconds - at).abs() <= 2, "{text}");
        }
        assert_eq!(since("lately").expect_err("neither").code(), 2);
    }
}
