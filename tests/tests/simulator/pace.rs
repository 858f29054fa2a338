//! The rack at the pace of metal: ten minutes of POST, BMCs that think for 3 to 20 s over every answer, minutes to boot. A
//! deployment goes through under the server's own deadlines.
//!
//! Both processes live in a time that runs faster, monotonic clock and timers with it, by libfaketime: nothing in them
//! can tell. Without it (`scripts/setup.sh faults`) this says so and passes; under `CI=true` it fails.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::World;

use crate::{
    clocks::libfaketime,
    rig::{Rig, asked, phase},
};

/// An hour of theirs is so much less of ours. A busy machine cannot go much faster: a quarter of a second in which it does
/// other things counts as so many times that, and a BMC that takes 20 s is given 25.
const FASTER: u32 = 10;
/// What a deployment may take, in their time: half a day.
const WHOLE: Duration = Duration::from_secs(12 * 3600);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: make e2e-full"]
async fn machines_as_slow_as_metal_are_deployed_under_the_deadlines_that_stand() -> Result<()> {
    let Some(library) = libfaketime() else { return Ok(()) };
    let faster: u32 = asked("UNDERLAY_FASTER").unwrap_or(FASTER);
    let environment = vec![
        ("LD_PRELOAD".to_owned(), library.display().to_string()),
        ("FAKETIME".to_owned(), format!("+0 x{faster}")),
    ];
    let world =
        World { server_environment: environment.clone(), rack_environment: environment, ..World::default() };
    let began = Instant::now();
    let rig = Rig::within(
        world,
        &[],
        &["--machines", "6", "--model", "generic,idrac,ilo,supermicro,openbmc,ami", "--pace", "metal"],
    )
    .await?;
    let rig = &rig;
    rig.each(|name| async move {
        let model = rig.rack.machine(&name)["model"].as_str().unwrap_or_default().to_owned();
        let mut spec = rig.spec(&name);
        let kind = match model.as_str() {
            "idrac" => "ssd",
            "ilo" => "nvme",
            _ => "",
        };
        spec.root = Some(pb::RootHint { kind: kind.into(), ..Default::default() });
        rig.client.put_machine(&name, spec, pb::PutOptions::default()).await?;
        let ended = |machine: &pb::Machine| ["ready", "failed"].contains(&phase(&machine.standing));
        let machine = rig.client.machine_when(&name, WHOLE / faster, ended).await?;
        let took = took(&machine);
        eprintln!("{name} ({model}): {} after {took:?} of its own time", phase(&machine.standing));
        ensure!(phase(&machine.standing) == "ready", "{name} ({model}): {machine:#?}");
        ensure!(took > Duration::from_secs(18 * 60), "two POSTs alone take longer than {took:?}");
        Ok(())
    })
    .await?;
    eprintln!("all of it took {:?} of ours, {faster} times as fast as the clock", began.elapsed());
    Ok(())
}

/// From its creation to its present state, by the server's clock.
fn took(machine: &pb::Machine) -> Duration {
    let created = machine.meta.as_ref().and_then(|meta| meta.created_at).map_or(0, |at| at.seconds);
    let since = machine.standing.as_ref().and_then(|standing| standing.since).map_or(0, |at| at.seconds);
    Duration::from_secs(u64::try_from(since - created).unwrap_or(0))
}
