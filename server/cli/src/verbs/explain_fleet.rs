//! `underlay explain KIND`: what is wrong with how many of them, what those have in common that the others have not, and
//! what to do. A machine has the labels and the pool of its host for that.

use std::collections::HashMap;

use underlay_proto::v1::{self, ListRequest};

use super::{
    Shared,
    listing::{self, local, unless_closed},
};
use crate::{
    connect::Connection,
    exit::Error,
    fleet::{
        choice::Choice,
        grouping::Grouping,
        member::{Member, PAGE},
        row::Row,
        summary::{self, Detail},
    },
    name,
    output::{self, Format},
};

pub(super) async fn run(kinds: &str, choice: &Choice, shared: &Shared) -> Result<(), Error> {
    let kind = name::kind(kinds)?;
    let connection = shared.target.connect().await?;
    super::brakes::remind(&connection, &shared.target.site).await;
    macro_rules! grouped {
        ($Noun:ident) => {
            (v1::$Noun::KINDS, listing::group::<v1::$Noun>(&connection, choice, shared, |_, _| {}).await?)
        };
    }
    let (kinds, grouping) = match kind {
        "site" => grouped!(Site),
        "profile" => grouped!(Profile),
        "step" => grouped!(Step),
        "pool" => grouped!(Pool),
        "network" => grouped!(Network),
        "credential" => grouped!(Credential),
        "image" => grouped!(Image),
        "host" => grouped!(Host),
        _ => (v1::Machine::KINDS, machines(&connection, choice, shared).await?),
    };
    let text = match shared.output {
        Format::Json => format!("{:#}\n", summary::json(kinds, &grouping)),
        Format::Table => summary::lines(kinds, &grouping, Detail::Advice, output::now()).join("\n") + "\n",
    };
    unless_closed(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).map_err(local)).map(drop)
}

async fn machines(connection: &Connection, choice: &Choice, shared: &Shared) -> Result<Grouping, Error> {
    let hosts = traits_of_hosts(connection, choice, shared).await?;
    listing::group::<v1::Machine>(connection, choice, shared, |machine, row| enrich(machine, row, &hosts))
        .await
}

fn enrich(machine: &v1::Machine, row: &mut Row, hosts: &HashMap<String, Vec<(String, String)>>) {
    let host = machine.host().and_then(|(_, name)| hosts.get(name));
    row.traits.extend(host.into_iter().flatten().cloned());
    row.traits.sort();
    row.traits.dedup();
}

/// What each host has, by name.
async fn traits_of_hosts(
    connection: &Connection,
    choice: &Choice,
    shared: &Shared,
) -> Result<HashMap<String, Vec<(String, String)>>, Error> {
    let site = if choice.every_site { String::new() } else { shared.target.site.clone() };
    let mut request = ListRequest { site, page_size: PAGE, ..ListRequest::default() };
    let mut traits = HashMap::new();
    loop {
        let (page, next) = v1::Host::page(connection.clone(), request.clone()).await?;
        for host in page {
            let has = host.traits();
            traits.extend(host.meta.and_then(|meta| Some((meta.key?.name, has))));
        }
        if next.is_empty() {
            return Ok(traits);
        }
        request.page_token = next;
    }
}
