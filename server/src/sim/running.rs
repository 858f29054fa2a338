//! A rack that runs in this process, with its files in a directory of its own.

use std::{
    fmt,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use underlay_sim::{
    bmc::{listen::Bmcs, recorded::Recorded},
    control,
    fault::order::Order,
    pace::Pace,
    rack::{
        Rack, Spec, inventory,
        spec::{self, Fetch, Login, Scheme},
    },
};

/// The user of every simulated BMC.
const USER: &str = "root";

/// What a simulated rack is to be.
#[derive(Args, Clone, Debug)]
pub struct RackSettings {
    /// How many machines
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub machines: u32,
    /// Their kinds, in turn: generic, idrac, ilo, supermicro, openbmc, ami
    #[arg(long, value_name = "MODEL,..", default_value = "generic")]
    model: String,
    /// How many machines to a rack
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    per_rack: u32,
    /// How long everything takes: instant, vendor (only what their BMCs are late with), lab or metal
    #[arg(long, value_name = "PACE", default_value = "lab")]
    pace: Pace,
    /// Where identities, latencies and chaos come from; the same seed gives the same rack
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Chance of each boot of a machine to go wrong in some way, from 0 to 1
    #[arg(long, value_name = "CHANCE", default_value_t = 0.0, value_parser = chance)]
    chaos: f64,
    /// What goes wrong from the start, any number of times: MACHINES:FAULT[=VALUE][,times=N][,seconds=N]
    #[arg(long = "fault", value_name = "ORDER")]
    faults: Vec<Order>,
    /// Fetch only so many bytes of kernel and initramfs, for fleets on one machine [default: all]
    #[arg(long, value_name = "BYTES")]
    ramdisk_bytes: Option<u64>,
    /// DHCP server that its firmware asks first, as through a relay, instead of going to the boot endpoint directly
    #[arg(long, value_name = "ADDRESS:PORT")]
    dhcp: Option<std::net::SocketAddr>,
    /// The relay's address, which lies in the boot network; the relay listens on its port 67
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    relay: std::net::IpAddr,
    /// Speak to its BMCs over TLS
    #[arg(long)]
    bmc_tls: bool,
    /// In place of its models' BMCs, this one that was recorded (underlay host check --record): to be read only
    #[arg(long, value_name = "FILE")]
    recorded: Option<PathBuf>,
}

/// A rack that runs.
pub struct Running {
    rack: Arc<Rack>,
    dir: PathBuf,
    /// What starts it, but for its faults.
    command: String,
    tasks: JoinSet<anyhow::Result<()>>,
    cancel: CancellationToken,
}

impl Running {
    /// Set one up in `dir`, with its BMCs on `port`. `command` is what starts such a rack, as far as its settings do not
    /// say it.
    pub async fn start(
        settings: &RackSettings,
        command: &str,
        boot_url: String,
        dir: &Path,
        port: u16,
    ) -> anyhow::Result<Self> {
        let command = format!("{command} {settings}");
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("making {}", dir.display()))?;
        let of = std::fs::metadata(dir)?;
        let own = of.uid() == rustix::process::geteuid().as_raw() && of.mode() & 0o077 == 0;
        ensure!(own, "{} is not this user's alone; chmod 700 it, or name another with --dir", dir.display());
        let rack = Rack::new(settings.spec(boot_url, password(dir)?)?);
        rack.plug_in().await.context("the rack's network")?;
        let bmcs = Bmcs::bind(port).await?;
        let list = serde_json::to_vec_pretty(&inventory::inventory(&rack, bmcs.port))?;
        let (path, part) = (dir.join("inventory.json"), dir.join("inventory.json.part"));
        std::fs::write(&part, list)
            .and_then(|()| std::fs::rename(&part, &path))
            .context("writing the inventory")?;
        std::fs::write(dir.join("bmc-ca.pem"), bmcs.ca_pem()).context("writing the CA of the BMCs")?;
        let (mut tasks, cancel) = (JoinSet::new(), CancellationToken::new());
        let (of_bmcs, stop) = (rack.clone(), cancel.clone());
        tasks.spawn(async move {
            bmcs.run(of_bmcs, stop).await;
            Ok(())
        });
        let (of_control, stop, socket) = (rack.clone(), cancel.clone(), dir.join(control::SOCKET));
        let replay = command.clone();
        tasks.spawn(async move {
            control::serve::run(of_control, &socket, replay, stop)
                .await
                .with_context(|| format!("serving {}", socket.display()))
        });
        Ok(Self { rack, dir: dir.to_owned(), command, tasks, cancel })
    }

    /// Where the inventory is.
    pub fn inventory(&self) -> PathBuf {
        self.dir.join("inventory.json")
    }

    /// Where the BMCs' password is.
    pub fn password_file(&self) -> PathBuf {
        self.dir.join("bmc-password")
    }

    /// Say what there is and where.
    pub fn tell(&self) {
        let machines = self.rack.machines.len();
        println!("{machines} machines, all off, their disks blank. Nothing of them is kept when this ends.");
        println!("inventory:       {}", self.inventory().display());
        println!("BMC password of {USER}: {}", self.password_file().display());
        println!(
            "look and break:  UNDERLAY_SIM_DIR={} underlay sim list | fault | button",
            self.dir.display()
        );
        println!("the same again:  {}", self.replay());
    }

    /// The command that makes the same run again, with what was broken meanwhile.
    pub fn replay(&self) -> String {
        control::serve::again(&self.command, &self.rack)
    }

    /// Wait until a part of it fails.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        match self.tasks.join_next().await {
            Some(ended) => {
                ended.context("a task of the rack broke")?.context("a part of the rack ended early")
            }
            None => Ok(()),
        }
    }

    /// Unplug it.
    pub async fn stop(mut self) {
        self.rack.unplug();
        self.cancel.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl RackSettings {
    fn spec(&self, boot_url: String, password: SecretString) -> anyhow::Result<Spec> {
        let login = Login { user: USER.into(), password };
        let spec = Spec {
            per_rack: self.per_rack,
            models: spec::models(&self.model)?,
            seed: self.seed,
            pace: self.pace.clone(),
            chaos: self.chaos,
            faults: self.faults.clone(),
            dhcp: self.dhcp,
            relay: self.relay,
            ramdisk: self.ramdisk_bytes.map_or(Fetch::Whole, Fetch::Beginning),
            scheme: if self.bmc_tls { Scheme::Https } else { Scheme::Http },
            recorded: self.recorded.as_deref().map(recorded).transpose()?,
            ..Spec::new(self.machines, boot_url, login)
        };
        spec.check()?;
        Ok(spec)
    }
}

/// As the options that make the same rack, every one of them; its faults are told by the rack, which may have more by then.
impl fmt::Display for RackSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Named one by one, so that an option that is added is not forgotten here.
        let Self {
            machines,
            model,
            per_rack,
            pace,
            seed,
            chaos,
            ramdisk_bytes,
            dhcp,
            relay,
            bmc_tls,
            recorded,
            faults: _,
        } = self;
        write!(f, "--machines {machines} --model {model} --per-rack {per_rack} --pace {pace} --seed {seed}")?;
        write!(f, " --chaos {chaos}")?;
        if let Some(bytes) = ramdisk_bytes {
            write!(f, " --ramdisk-bytes {bytes}")?;
        }
        if let Some(address) = dhcp {
            write!(f, " --dhcp {address} --relay {relay}")?;
        }
        if *bmc_tls {
            f.write_str(" --bmc-tls")?;
        }
        match recorded {
            Some(file) => write!(f, " --recorded {}", file.display()),
            None => Ok(()),
        }
    }
}

fn recorded(file: &Path) -> anyhow::Result<Arc<Recorded>> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(Arc::new(Recorded::read(&bytes).with_context(|| file.display().to_string())?))
}

/// The password of a rack's BMCs: made once for its directory, and only its owner reads it.
fn password(dir: &Path) -> anyhow::Result<SecretString> {
    let path = dir.join("bmc-password");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(text.trim().to_owned().into());
    }
    let password = underlay_metal::token::mint();
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("making {}", path.display()))?;
    std::io::Write::write_all(&mut file, password.expose_secret().as_bytes())
        .context("writing the password")?;
    Ok(password)
}

fn chance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(chance) if (0.0..=1.0).contains(&chance) => Ok(chance),
        _ => Err("a number from 0 to 1 is wanted".into()),
    }
}
