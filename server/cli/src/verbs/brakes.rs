//! `underlay freeze`, `unfreeze`, `brakes` and `resume`: holding work back and letting it go on.

use clap::Args;
use underlay_proto::v1::{
    Brake, FreezeReach, FreezeRequest, ListBrakesRequest, ResumeRequest, UnfreezeRequest, brake,
    brake_service_client::BrakeServiceClient,
};

use super::Shared;
use crate::{
    connect::Connection,
    exit::Error,
    output::{self, Format, or_dash, time},
};

/// What to hold back, and why.
#[derive(Args, Debug)]
pub struct Freeze {
    #[command(flatten)]
    reach: Reach,
    /// Why; everybody who waits reads it
    #[arg(long)]
    reason: String,
}

/// What to let go on.
#[derive(Args, Debug)]
pub struct Unfreeze {
    #[command(flatten)]
    reach: Reach,
}

/// Nothing to say.
#[derive(Args, Debug)]
pub struct List {}

/// Nothing to say.
#[derive(Args, Debug)]
pub struct Resume {}

/// What is meant: everything, or the site (see --site), or a pool of it.
#[derive(Args, Debug)]
struct Reach {
    /// Everything, in every site
    #[arg(long, conflicts_with_all = ["pool", "every_site"])]
    all: bool,
    /// Only hosts of this pool, and machines on them
    #[arg(long, value_name = "POOL", default_value = "", hide_default_value = true)]
    pool: String,
    /// The pool of that name in every site
    #[arg(long, requires = "pool")]
    every_site: bool,
}

impl Reach {
    fn message(self, site: &str) -> FreezeReach {
        let site = if self.all || self.every_site { String::new() } else { site.to_owned() };
        FreezeReach { all: self.all, site, pool: self.pool }
    }
}

/// One line on a brake.
fn line(brake: &Brake) -> String {
    let how = match brake.kind() {
        brake::Kind::Restored => "on hold",
        brake::Kind::ObserveOnly => "observing only",
        brake::Kind::Freeze | brake::Kind::Unspecified => "frozen",
    };
    let reach = match (brake.site.as_str(), brake.pool.as_str()) {
        ("", "") => "everything".to_owned(),
        (site, "") => format!("site {site}"),
        ("", pool) => format!("pool {pool} of every site"),
        (site, pool) => format!("pool {pool} of site {site}"),
    };
    let Brake { by, reason, release, .. } = brake;
    format!("{reach} is {how} by {by} since {}: {reason}; continue with: {release}", time(brake.since))
}

/// Tells on standard error what holds work back in a site, so that nobody wonders. A server that cannot say is not asked twice.
pub(super) async fn remind(connection: &Connection, site: &str) {
    let listed = BrakeServiceClient::new(connection.clone()).list(ListBrakesRequest {}).await;
    let brakes = listed.map(|listed| listed.into_inner().brakes).unwrap_or_default();
    for brake in brakes.into_iter().filter(|brake| brake.site.is_empty() || brake.site == site) {
        eprintln!("note: {}", line(&brake));
    }
}

fn show_standing(standing: &[Brake]) {
    for brake in standing {
        println!("still: {}", line(brake));
    }
}

pub(super) async fn freeze(freeze: Freeze, shared: Shared) -> Result<(), Error> {
    let reach = Some(freeze.reach.message(&shared.target.site));
    let mut client = BrakeServiceClient::new(shared.target.connect().await?);
    let answer = client.freeze(FreezeRequest { reach, reason: freeze.reason }).await?.into_inner();
    match (shared.output, &answer.brake) {
        (Format::Json, _) => println!("{:#}", output::json(&answer)?),
        (Format::Table, Some(brake)) => {
            let before = if answer.stood_before { "as before: " } else { "" };
            println!("{before}{}", line(brake));
        }
        (Format::Table, None) => {}
    }
    Ok(())
}

pub(super) async fn unfreeze(unfreeze: Unfreeze, shared: Shared) -> Result<(), Error> {
    let reach = Some(unfreeze.reach.message(&shared.target.site));
    let mut client = BrakeServiceClient::new(shared.target.connect().await?);
    let answer = client.unfreeze(UnfreezeRequest { reach }).await?.into_inner();
    if shared.output == Format::Json {
        println!("{:#}", output::json(&answer)?);
        return Ok(());
    }
    println!("lifted; what waited for it goes on");
    show_standing(&answer.standing);
    Ok(())
}

pub(super) async fn list(shared: Shared) -> Result<(), Error> {
    let mut client = BrakeServiceClient::new(shared.target.connect().await?);
    let answer = client.list(ListBrakesRequest {}).await?.into_inner();
    if shared.output == Format::Json {
        println!("{:#}", output::json(&answer)?);
        return Ok(());
    }
    if answer.brakes.is_empty() {
        eprintln!("none: nothing holds work back");
        return Ok(());
    }
    let row = |brake: &Brake| {
        let kind = brake.kind().as_str_name().trim_start_matches("KIND_").to_lowercase();
        let or_every = |name: &str| if name.is_empty() { "every".to_owned() } else { name.to_owned() };
        let mut cells = vec![kind, or_every(&brake.site), or_every(&brake.pool), or_dash(&brake.by)];
        cells.extend([time(brake.since), brake.reason.clone(), brake.release.clone()]);
        cells
    };
    let rows: Vec<Vec<String>> = answer.brakes.iter().map(row).collect();
    println!("{}", output::table(&["KIND", "SITE", "POOL", "BY", "SINCE", "REASON", "CONTINUE WITH"], &rows));
    Ok(())
}

pub(super) async fn resume(shared: Shared) -> Result<(), Error> {
    let mut client = BrakeServiceClient::new(shared.target.connect().await?);
    let answer = client.resume(ResumeRequest {}).await?.into_inner();
    if shared.output == Format::Json {
        println!("{:#}", output::json(&answer)?);
        return Ok(());
    }
    println!("the restored server acts again");
    show_standing(&answer.standing);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_is_the_site_unless_all_or_every_site_is_said() {
        let reach = |all, pool: &str, every_site| Reach { all, pool: pool.into(), every_site };
        let said = |reach: Reach| {
            let message = reach.message("berlin");
            (message.all, message.site, message.pool)
        };
        assert_eq!(said(reach(true, "", false)), (true, "".into(), "".into()));
        assert_eq!(said(reach(false, "", false)), (false, "berlin".into(), "".into()));
        assert_eq!(said(reach(false, "web", false)), (false, "berlin".into(), "web".into()));
        assert_eq!(said(reach(false, "web", true)), (false, "".into(), "web".into()));
    }

    #[test]
    fn a_brake_is_told_in_one_line() {
        let brake = Brake {
            kind: brake::Kind::Freeze.into(),
            pool: "web".into(),
            by: "ops (1a)".into(),
            reason: "switch work".into(),
            release: "underlay unfreeze --every-site --pool web".into(),
            ..Brake::default()
        };
        let text = "pool web of every site is frozen by ops (1a) since -: switch work; continue with: underlay unfreeze \
                    --every-site --pool web";
        assert_eq!(line(&brake), text);
    }
}
