//! What these tests share: a rack whose machines are enrolled, and an image for them.

use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use underlay_proto::v1 as pb;
use underlay_tests::{
    Simulated, World,
    rack::{
        client::Client,
        image::Image,
        specs::{self, Ready},
    },
};

/// How long anything of a rack where nothing takes time may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Calls under way at a time.
pub const AT_ONCE: usize = 50;

/// A rack, its server, and an image.
pub struct Rig {
    pub rack: Simulated,
    pub client: Client,
    pub image: String,
}

impl Rig {
    /// Starts both, imports an image, enrols every machine and waits until each was asked.
    pub async fn start(settings: &[&str], arguments: &[&str]) -> Result<Self> {
        Self::within(World::default(), settings, arguments).await
    }

    /// The same, in a world of their own.
    pub async fn within(world: World, settings: &[&str], arguments: &[&str]) -> Result<Self> {
        Self::of(Simulated::within(world, settings, arguments)).await
    }

    /// The same with a server and a rack that run.
    pub async fn of(rack: Simulated) -> Result<Self> {
        Self::enrol(rack, |spec| spec).await
    }

    /// The same, where `change` makes a host's spec what the test needs.
    pub async fn enrol(rack: Simulated, change: fn(pb::HostSpec) -> pb::HostSpec) -> Result<Self> {
        let client = rack.client();
        let small = Image::make(&rack.images(), "small", 4)?;
        let image = client.import("small", small.spec(), PATIENCE).await?;
        client.put_credential("bmc", "root", rack.password()).await?;
        let rig = Self { rack, client, image };
        let this = &rig;
        this.each(|name| async move {
            let machine = this.rack.machines().iter().find(|machine| machine["name"] == *name).unwrap();
            this.client.put_host(&name, change(this.rack.host(machine))).await?;
            this.client
                .host_when(&name, PATIENCE, |host| phase(&host.standing) == "available")
                .await
                .map(drop)
        })
        .await?;
        Ok(rig)
    }

    /// Does something about every machine, many at a time.
    pub async fn each<F: Future<Output = Result<()>>>(&self, act: impl Fn(String) -> F) -> Result<()> {
        stream::iter(self.names()).map(act).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    /// The names of all machines.
    pub fn names(&self) -> Vec<String> {
        self.rack.machines().iter().map(|machine| machine["name"].as_str().unwrap().to_owned()).collect()
    }

    /// How many of these machines were put and are neither ready nor failed.
    pub async fn unfinished(&self, names: &[String]) -> Result<u64> {
        let mut count = 0;
        for name in names {
            // Those after the first that is not there were not put yet.
            let Ok(machine) = self.client.machine(name).await else { break };
            count += u64::from(!["ready", "failed"].contains(&phase(&machine.standing)));
        }
        Ok(count)
    }

    /// A machine's spec, with the image on the host of that name.
    pub fn spec(&self, host: &str) -> pb::MachineSpec {
        Self::spec_of(&self.image, host)
    }

    /// The same with an image of that reference.
    pub fn spec_of(image: &str, host: &str) -> pb::MachineSpec {
        pb::MachineSpec {
            root: Some(pb::RootHint { min_size_bytes: 1 << 30, ..Default::default() }),
            ..specs::machine(image, host, Ready::Booted)
        }
    }

    /// Deploys the machine of that name on the host of that name.
    pub async fn deploy(&self, name: &str) -> Result<pb::Machine> {
        self.client.put_machine(name, self.spec(name), pb::PutOptions::default()).await?;
        self.client.machine_ready(name, PATIENCE).await
    }
}

/// The word for how something stands.
pub fn phase(standing: &Option<pb::Standing>) -> &str {
    standing.as_ref().map_or("", |standing| &standing.phase)
}

/// A number that the environment asks for.
pub fn asked<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().ok().unwrap_or_else(|| panic!("{name}={text}: a number is wanted")))
}

/// Numbers that a seed decides (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// Those of that seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The number of that index, below `most`.
    pub fn below(&self, index: u64, most: u64) -> u64 {
        let word = self.0.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % most
    }
}
