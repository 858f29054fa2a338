//! `underlay get KIND` and `underlay get KIND/NAME`: one line per object; on a terminal that has fewer lines, states and
//! causes with counts.

use clap::Args;
use underlay_proto::v1;

use super::{
    Shared,
    listing::{self, Layout, Wanted},
};
use crate::{
    connect::{ANSWER, Connection},
    exit::Error,
    fleet::{choice::Choice, row},
    name,
    output::{self, Format, ago, or_dash, size, standing},
};

/// List objects of a kind, or show one
#[derive(Args, Debug)]
pub struct Get {
    /// sites, pools, hosts, networks, credentials, images, profiles, steps, machines, discovered, or KIND/NAME
    #[arg(value_name = "KIND[/NAME]")]
    what: String,
    #[command(flatten)]
    choice: Choice,
    /// A line for each object, also on a terminal that has fewer lines
    #[arg(long, conflicts_with = "summary")]
    rows: bool,
    /// States and causes with counts, however few objects there are
    #[arg(long)]
    summary: bool,
}

pub(super) async fn run(get: Get, shared: Shared) -> Result<(), Error> {
    let connection = shared.target.connect().await?;
    super::brakes::remind(&connection, &shared.target.site).await;
    if get.what == "discovered" {
        return discovered(connection, shared.output).await;
    }
    if get.what.contains('/') {
        return one(&get.what, connection, &shared).await;
    }
    let filter = Wanted {
        choice: get.choice,
        layout: Layout::asked(get.rows, get.summary),
        target: shared.target.clone(),
    };
    match name::kind(&get.what)? {
        "pool" => pools(connection, filter, shared.output).await,
        "host" => hosts(connection, filter, shared.output).await,
        "network" => networks(connection, filter, shared.output).await,
        "credential" => credentials(connection, filter, shared.output).await,
        "image" => images(connection, filter, shared.output).await,
        "site" => sites(connection, filter, shared.output).await,
        "profile" => profiles(connection, filter, shared.output).await,
        "step" => steps(connection, filter, shared.output).await,
        _ => machines(connection, filter, shared.output).await,
    }
}

/// Lists a noun; `$row` makes a line of an object.
macro_rules! listing {
    ($fn:ident of $Noun:ident, $head:expr, $row:expr) => {
        async fn $fn(connection: Connection, wanted: Wanted, format: Format) -> Result<(), Error> {
            listing::list::<v1::$Noun>(connection, wanted, format, &$head, $row).await
        }
    };
}

listing!(
    hosts of Host,
    ["NAME", "PHASE", "POWER", "MACHINE", "POOL", "DRIVER", "FOR", "WAITING FOR"],
    |host| {
        let spec = host.spec.clone().unwrap_or_default();
        let status = host.status.clone().unwrap_or_default();
        let driver = match spec.driver {
            Some(v1::host_spec::Driver::Redfish(redfish)) => format!("redfish {}", redfish.address),
            Some(v1::host_spec::Driver::Ipmi(ipmi)) => format!("ipmi {}", ipmi.address),
            Some(v1::host_spec::Driver::Manual(_)) => "manual".to_owned(),
            Some(v1::host_spec::Driver::None(_)) => "none".to_owned(),
            Some(v1::host_spec::Driver::Qemu(qemu)) => {
                format!("qemu {} cpu {}", qemu.cpus, size(qemu.memory_bytes))
            }
            None => String::new(),
        };
        let mut cells = vec![object_name(host.meta.as_ref()), phase(host.standing.as_ref())];
        cells.extend([
            or_dash(&status.power),
            or_dash(&status.machine),
            or_dash(&spec.pool),
            or_dash(&driver),
        ]);
        cells.extend([since(host.standing.as_ref()), standing(host.standing.as_ref())]);
        cells
    }
);

listing!(
    pools of Pool,
    ["NAME", "HOSTS", "FREE", "CLAIMED", "QUARANTINED", "WAITING", "DISRUPTED", "MAX DISRUPTED"],
    |pool| {
        let status = pool.status.unwrap_or_default();
        let counts =
            [status.hosts, status.free, status.claimed, status.quarantined, status.waiting, status.disrupted];
        let mut cells = vec![object_name(pool.meta.as_ref())];
        cells.extend(counts.map(|count| count.to_string()));
        cells.push(or_dash(pool.spec.as_ref().map_or("", |spec| spec.max_disrupted.as_str())));
        cells
    }
);

listing!(
    networks of Network,
    ["NAME", "CIDR", "DHCP", "RANGE", "UNKNOWN"],
    |network| {
        let spec = network.spec.clone().unwrap_or_default();
        let dhcp = spec.dhcp.unwrap_or_default();
        let range = if dhcp.range_first.is_empty() {
            "-".into()
        } else {
            format!("{}-{}", dhcp.range_first, dhcp.range_last)
        };
        vec![
            object_name(network.meta.as_ref()),
            spec.cidr,
            or_dash(&dhcp.mode),
            range,
            or_dash(&spec.unknown),
        ]
    }
);

listing!(
    credentials of Credential,
    ["NAME", "USERNAME", "VERSION"],
    |credential| {
        let spec = credential.spec.clone().unwrap_or_default();
        vec![object_name(credential.meta.as_ref()), or_dash(&spec.username), spec.secret_version.to_string()]
    }
);

listing!(sites of Site, ["NAME", "VALUES"], |site| {
    let values = site.spec.clone().unwrap_or_default().values;
    vec![object_name(site.meta.as_ref()), values.len().to_string()]
});

listing!(
    profiles of Profile,
    ["NAME", "ATTRIBUTES", "REQUIRED", "SECRET", "FILES"],
    |profile| {
        let spec = profile.spec.clone().unwrap_or_default();
        let count = |wanted: fn(&v1::Declaration) -> bool| {
            spec.schema.values().filter(|declared| wanted(declared)).count().to_string()
        };
        let mut cells = vec![object_name(profile.meta.as_ref()), spec.schema.len().to_string()];
        cells.extend([count(|it| it.required), count(|it| it.secret), spec.files.len().to_string()]);
        cells
    }
);

listing!(
    steps of Step,
    ["NAME", "BY", "INPUTS", "OUTPUTS", "TIMEOUT", "TRIES", "ON FAILURE"],
    |step| {
        let spec = step.spec.clone().unwrap_or_default();
        let by = match &spec.work {
            Some(v1::step_spec::Work::Webhook(_)) => "webhook",
            None => "-",
        };
        let mut cells = vec![object_name(step.meta.as_ref()), by.to_owned()];
        cells.extend([spec.inputs.len().to_string(), spec.outputs.len().to_string()]);
        cells.extend([format!("{} s", spec.timeout_seconds), spec.retry.unwrap_or_default().attempts.to_string()]);
        cells.push(spec.on_failure);
        cells
    }
);

listing!(
    images of Image,
    ["NAME", "PHASE", "DISK", "STORED", "SHA256", "FOR", "WAITING FOR"],
    |image| {
        let spec = image.spec.clone().unwrap_or_default();
        let status = image.status.clone().unwrap_or_default();
        let bytes = |bytes: u64| if bytes == 0 { "-".into() } else { size(bytes) };
        let digest: String = spec.sha256.chars().take(12).collect();
        let mut cells = vec![object_name(image.meta.as_ref()), phase(image.standing.as_ref())];
        cells.extend([bytes(status.virtual_size), bytes(status.stored_size), digest]);
        cells.extend([since(image.standing.as_ref()), standing(image.standing.as_ref())]);
        cells
    }
);

listing!(
    machines of Machine,
    ["NAME", "PHASE", "HOST", "ADDRESS", "IMAGE", "FOR", "WAITING FOR"],
    |machine| {
        let spec = machine.spec.clone().unwrap_or_default();
        let status = machine.status.clone().unwrap_or_default();
        let image: String =
            spec.image.chars().take(spec.image.find("@sha256:").map_or(40, |at| at + 20)).collect();
        let mut cells = vec![object_name(machine.meta.as_ref()), phase(machine.standing.as_ref())];
        let host = if status.host.is_empty() { &spec.host } else { &status.host };
        cells.extend([or_dash(host), or_dash(&status.address), or_dash(&image)]);
        cells.extend([since(machine.standing.as_ref()), standing(machine.standing.as_ref())]);
        cells
    }
);

async fn discovered(connection: Connection, format: Format) -> Result<(), Error> {
    let mut client =
        v1::host_service_client::HostServiceClient::new(connection).max_decoding_message_size(ANSWER);
    let found = client.list_discovered(v1::ListDiscoveredRequest { limit: 1000 }).await?.into_inner();
    if format == Format::Json {
        println!("{:#}", output::json(&found)?);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found
        .discovered
        .iter()
        .map(|seen| {
            let inventory = seen.inventory.clone().unwrap_or_default();
            let model = format!("{} {}", inventory.vendor, inventory.product);
            let mut cells = vec![seen.mac.clone(), or_dash(&seen.network), or_dash(&inventory.serial)];
            cells.extend([or_dash(model.trim()), inventory.cpus.to_string(), size(inventory.memory_bytes)]);
            cells.push(ago(seen.seen_at));
            cells.push(if seen.waiting { "yes" } else { "no" }.into());
            cells.push(or_dash(&seen.conflict));
            cells
        })
        .collect();
    println!(
        "{}",
        output::table(
            &["MAC", "NETWORK", "SERIAL", "MODEL", "CPUS", "MEMORY", "SEEN", "WAITS", "CONFLICT"],
            &rows
        )
    );
    Ok(())
}

async fn one(what: &str, connection: Connection, shared: &Shared) -> Result<(), Error> {
    let value = super::describe::read(what, connection, &shared.target).await?;
    match shared.output {
        Format::Json => println!("{value:#}"),
        Format::Table => {
            let text =
                |pointer: &str| value.pointer(pointer).and_then(|v| v.as_str()).unwrap_or("-").to_owned();
            let row = vec![text("/meta/key/name"), text("/standing/phase"), text("/standing/waiting_for")];
            println!("{}", output::table(&["NAME", "PHASE", "WAITING FOR"], &[row]));
        }
    }
    Ok(())
}

fn object_name(meta: Option<&v1::Meta>) -> String {
    row::name(meta)
}

fn phase(standing: Option<&v1::Standing>) -> String {
    standing.map_or("-".into(), |standing| or_dash(&standing.phase))
}

fn since(standing: Option<&v1::Standing>) -> String {
    ago(standing.and_then(|standing| standing.since))
}
