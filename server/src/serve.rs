//! `underlay serve`: builds every part, joins them, runs them until told to stop, and stops in order: doors first, then
//! the engine's steps under way, then the store.

use std::{
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use underlay_api::{
    Api,
    auth::write_first_token,
    listen::Listener,
    ports::{Ports, UploadDirectory},
    tls::{Authority, server_config},
};
use underlay_core::{
    Brake,
    bmc::{Bmcs, EventAddress},
    brake::{self, Reach},
};
use underlay_engine::Engine;
use underlay_image::{Fetcher, Images, Importer, Limits, local::LocalRoot};
use underlay_metal::{
    bmc::{Drivers, Gate, qemu},
    config::{self, Credentials, Networks, Profiles, Sites},
    dhcp,
    host::Hosts,
    http,
    machine::{Machines, Patience},
    pool::Pools,
    step::{Company, Steps},
    tftp,
};
use underlay_store::{SealingKey, Store};

use crate::{
    config::{Settings, everywhere, loopback},
    lock, logging,
    metrics::{Exported, Plain},
    restore,
    wiring::{
        self,
        audits::Rarely,
        boot_url::{USER_NETWORKING, Ways},
        check::Look,
        dhcp::{Directory as DhcpDirectory, Durable, Place},
        directory::Directory,
        hints::{self, Proofs},
        keepers::Asking,
        loaders::Loaders,
        media::{Images as BootImages, Secrets},
        power::Switch,
        projection::Projection,
        sightings::noticeboard,
    },
};

/// Where copies of the database are made, beneath the data directory.
const COPIES: &str = "copies";
/// Exit code when the settings are wrong.
const MISCONFIGURED: u8 = 2;

/// Run the server to its end.
pub fn main(settings: Settings) -> ExitCode {
    let settings = match settings.with_file() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("underlay: {}", underlay_core::because(&error));
            return ExitCode::from(MISCONFIGURED);
        }
    };
    logging::start(settings.log_format.unwrap_or_default(), logging::SERVER);
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime
        .context("starting the runtime")
        .and_then(|runtime| runtime.block_on(run(settings, None, CancellationToken::new())));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("underlay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A rack that boots at once takes a socket per machine; the usual soft limit of 1024 is for programs that use select(2).
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
}

/// Where a server that is up is reached.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The API on a unix socket.
    pub socket: PathBuf,
    /// The boot endpoint.
    pub boot_port: u16,
}

/// Serve until a signal comes or `cancel` says so; once all is up, `ready` is told where.
pub async fn run(
    settings: Settings,
    ready: Option<oneshot::Sender<Addresses>>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    // What the server makes is its own, whatever library makes it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let data = settings.data();
    make_data(&data)?;
    let key = SealingKey::load_or_create(&settings.sealing_key()).context("the sealing key")?;
    let _alone = lock::take(&data)?;
    restore::refuse_half_done(&data)?;
    sweep_copies(&data);
    let events_key = key.clone();
    let store = Store::open(&settings.database(), key).await.context("opening the database")?;
    if settings.database.is_none() {
        // The database lies in the directory that we hold alone: whoever left leases there is dead.
        let ended = store.end_leases().await.context("taking over from a server that died")?;
        tracing::debug!(ended, "leases of a dead server ended");
    }
    let far = store.end_far_waits(underlay_core::clock::now()).await.context("reading the queue")?;
    if far > 0 {
        tracing::warn!(
            objects = far,
            "the clock was ahead when this server last ran; nothing waits for that time"
        );
    }
    observing(&store, settings.observe_only == Some(true)).await?;
    let authority = Arc::new(Authority::open(&data).context("the certificate authority")?);
    write_first_token(&store, &data.join("admin.token"))
        .await
        .map_err(|error| anyhow::anyhow!("the first API token: {error}"))?;

    let mut tasks = JoinSet::new();
    let boot_listener = listen(settings.boot_listen.unwrap_or(everywhere(7480)), "the boot endpoint").await?;
    let boot_port = boot_listener.local_addr()?.port();
    let ramdisk = settings.beneath_data(settings.ramdisk.as_deref(), "ramdisk");
    let projection = Projection::new(Place { port: boot_port, ramdisk: ramdisk.clone() });
    let proofs = settings.event_address.map(|address| Proofs::new(&events_key, address, boot_port));
    let secrets = Secrets::new(&events_key);
    let drivers = Arc::new(Drivers::new(drivers(&settings, &data, boot_port, proofs.clone())));
    let bmcs: Arc<dyn Bmcs> = Arc::new(Gate::new(drivers.clone(), Arc::new(store.clone())));

    let (doors, api_address) = doors(&settings, &data, &authority).await?;
    let api =
        api(&settings, &store, &authority, (&bmcs, &drivers), &projection, (boot_port, api_address.port()));
    let ways = Ways { port: boot_port, address: settings.boot_address, projection: projection.clone() };
    let images = BootImages {
        secrets: secrets.clone(),
        address: settings.event_address,
        ways: ways.clone(),
        ramdisk: ramdisk.clone(),
    };
    let company = if settings.database.is_none() { Company::Alone } else { Company::Shared };
    let steps = wiring::steps::steps(&store, company);
    let engine = engine(&settings, &store, (&bmcs, &steps), ways, images).await?;
    let (board, scribe) = noticeboard(projection.clone(), store.clone());
    let (ear, looker) = hints::pair(proofs);
    let directory = Arc::new(Directory {
        projection: projection.clone(),
        media: secrets,
        ear,
        noticeboard: board.clone(),
        store: store.clone(),
    });
    let boot = http::Config {
        port: boot_port,
        api_port: api_address.port(),
        ca_certificate: authority.certificate().to_vec(),
        ramdisk,
        loaders: loaders(&settings),
        images: data.join("images/images"),
    };
    let (dhcp_counters, tftp_counters) = (Arc::default(), Arc::default());
    let exported = exported(&store, &api, &engine, &dhcp_counters, &tftp_counters);

    let (store_task, projection_task) = (store.clone(), projection.clone());
    let stop = cancel.clone();
    tasks.spawn(async move {
        store_task.listen(stop).await;
        Ok(())
    });
    let (follow, stop) = (store.clone(), cancel.clone());
    tasks.spawn(async move {
        projection_task.follow(follow, stop).await;
        Ok(())
    });
    let stop = cancel.clone();
    tasks.spawn(async move {
        scribe.run(stop).await;
        Ok(())
    });
    let (register, register_store, stop) = (projection.register(), store.clone(), cancel.clone());
    tasks.spawn(async move {
        register.sweep(&register_store, stop).await;
        Ok(())
    });
    let (store_task, stop) = (store.clone(), cancel.clone());
    tasks.spawn(async move {
        looker.run(store_task, stop).await;
        Ok(())
    });
    let dhcp = dhcp::Server {
        networks: projection.networks(),
        leases: Arc::new(Durable(store.clone())),
        directory: Arc::new(DhcpDirectory(projection.clone())),
        sightings: Arc::new(board),
        counters: dhcp_counters,
        ports: dhcp::Ports::default(),
    };
    let stop = cancel.clone();
    tasks.spawn(async move { dhcp.run(stop).await.context("DHCP") });
    let tftp_address = settings.tftp_listen.unwrap_or(everywhere(69));
    let tftp_files = Arc::new(Loaders(loaders(&settings)));
    let (networks, stop) = (projection.networks(), cancel.clone());
    tasks.spawn(serve_tftp(tftp_address, tftp_files, tftp_counters, networks, stop));
    let stop = cancel.clone();
    tasks.spawn(async move {
        http::run(boot_listener, boot, directory, stop).await;
        Ok(())
    });
    let metrics = listen(settings.metrics_listen.unwrap_or(loopback(7481)), "metrics").await?;
    let metrics_address = metrics.local_addr()?;
    let stop = cancel.clone();
    tasks.spawn(async move {
        let router = crate::metrics::router(exported);
        axum::serve(metrics, router).with_graceful_shutdown(stop.cancelled_owned()).await.context("metrics")
    });
    for door in doors {
        let (api, stop) = (api.clone(), cancel.clone());
        tasks.spawn(async move { api.serve(door, stop).await.context("the API") });
    }
    let stop = cancel.clone();
    tasks.spawn(async move {
        engine.run(stop).await;
        Ok(())
    });
    tasks.spawn(crate::clock::watch(cancel.clone()));
    write_addresses(&data, api_address, boot_port, metrics_address)?;
    tracing::info!(
        api = %api_address,
        socket = %settings.beneath_data(settings.socket.as_deref(), "api.sock").display(),
        boot = boot_port,
        metrics = %metrics_address,
        data = %data.display(),
        "underlay serves"
    );
    if let Some(ready) = ready {
        let socket = settings.beneath_data(settings.socket.as_deref(), "api.sock");
        // Whoever asked may have gone away.
        let _ = ready.send(Addresses { socket, boot_port });
    }
    let ended = run_to_the_end(tasks, cancel).await;
    steps.close().await;
    drivers.close().await;
    store.close().await;
    ended
}

/// Wait for a signal or for a part that failed; stop the others; join all.
async fn run_to_the_end(
    mut tasks: JoinSet<anyhow::Result<()>>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut result = Ok(());
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to stop"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        () = cancel.cancelled() => tracing::info!("cancelled"),
        Some(ended) = tasks.join_next() => result = flatten(ended).context("a part of the server ended early"),
    }
    cancel.cancel();
    while let Some(ended) = tasks.join_next().await {
        result = result.and(flatten(ended));
    }
    tracing::info!("stopped");
    result
}

fn flatten(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<()> {
    ended.context("a task of the server broke")?
}

/// Has all controllers and drivers, of every server on this database, only observe; or lets them go on.
async fn observing(store: &Store, only: bool) -> anyhow::Result<()> {
    const BY: &str = "the server's settings";
    let now = underlay_core::clock::now();
    if !only {
        let lifted = store.lift_brake(brake::Kind::ObserveOnly, &Reach::default(), BY, now).await;
        let lifted = lifted.context("leaving observe-only mode")?;
        if lifted.is_some() {
            tracing::info!("no longer observing only: work goes on");
        }
        return Ok(());
    }
    let reason = "it was started with --observe-only".into();
    let (kind, reach) = (brake::Kind::ObserveOnly, Reach::default());
    let wanted = Brake { kind, reach, by: BY.into(), since: now, reason };
    store.put_brake(&wanted).await.context("entering observe-only mode")?;
    tracing::warn!("observing only: nothing is switched or imaged, and every machine boots its own disk");
    Ok(())
}

/// Copies of the database that a server was sending when it was killed.
fn sweep_copies(data: &Path) {
    match std::fs::remove_dir_all(data.join(COPIES)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "copies of the database that nobody fetches are left behind");
        }
        _ => {}
    }
}

fn make_data(data: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(data).with_context(|| format!("making {}", data.display()))?;
    let permissions = std::fs::metadata(data)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        tracing::warn!(path = %data.display(), "the data directory can be read by others; chmod 700 keeps its keys safe");
    }
    Ok(())
}

/// What listens where, for whoever started us with port 0: `addresses` in the data directory, shell-style.
fn write_addresses(data: &Path, api: SocketAddr, boot_port: u16, metrics: SocketAddr) -> anyhow::Result<()> {
    let text = format!("UNDERLAY_API={api}\nUNDERLAY_BOOT_PORT={boot_port}\nUNDERLAY_METRICS={metrics}\n");
    let (path, part) = (data.join("addresses"), data.join("addresses.part"));
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &path)).context("writing addresses")
}

async fn listen(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening for {what} on {address}"))
}

fn loaders(settings: &Settings) -> std::path::PathBuf {
    settings.loaders.clone().unwrap_or_else(|| "/usr/lib/ipxe".into())
}

fn drivers(
    settings: &Settings,
    data: &Path,
    boot_port: u16,
    proofs: Option<Proofs>,
) -> underlay_metal::bmc::Config {
    let url = format!("http://{USER_NETWORKING}:{boot_port}/boot.ipxe");
    let mut qemu = qemu::Config::new(data.to_owned(), url);
    if settings.kvm == Some(true) {
        qemu.accelerator = qemu::Accelerator::Kvm;
    }
    if settings.qemu_unsafe_cache == Some(true) {
        qemu.cache = qemu::Cache::Unsafe;
    }
    let events = proofs.map(|proofs| Arc::new(proofs) as Arc<dyn EventAddress>);
    underlay_metal::bmc::Config { qemu, bmc_pause: Duration::from_millis(100), events }
}

fn api(
    settings: &Settings,
    store: &Store,
    authority: &Arc<Authority>,
    (bmcs, drivers): (&Arc<dyn Bmcs>, &Arc<Drivers>),
    projection: &Projection,
    (boot_port, api_port): (u16, u16),
) -> Api {
    let uploads = UploadDirectory::new(settings.data().join("uploads"), Limits::default().source);
    let ports = Ports {
        power: Arc::new(Switch { store: store.clone(), bmcs: bmcs.clone() }),
        checks: Arc::new(Look { store: store.clone(), drivers: drivers.clone() }),
        register: projection.register(),
        uploads: Arc::new(uploads),
    };
    let at = |port| match settings.boot_address {
        Some(address) => SocketAddr::new(address, port),
        None => loopback(port),
    };
    let config = underlay_api::Config {
        boot_url: format!("http://{}", at(boot_port)),
        api_url: format!("https://{}", at(api_port)),
        ramdisk: settings.beneath_data(settings.ramdisk.as_deref(), "ramdisk"),
        scratch: settings.data().join(COPIES),
        ..underlay_api::Config::default()
    };
    Api::new(store.clone(), authority.clone(), ports, config)
}

/// The doors to the API, and the address of the one with TLS.
async fn doors(
    settings: &Settings,
    data: &Path,
    authority: &Authority,
) -> anyhow::Result<(Vec<Listener>, SocketAddr)> {
    let mut names = settings.names.clone();
    names.push(USER_NETWORKING.into());
    names.extend(settings.boot_address.map(|address| address.to_string()));
    let tls = server_config(authority, &names).context("TLS of the API")?;
    let address = settings.listen.unwrap_or(everywhere(7443));
    let over_tls = Listener::tls(address, tls).await.context("the API over TLS")?;
    let bound = over_tls.address().context("the API has no address")?;
    let socket = settings.socket.clone().unwrap_or_else(|| data.join("api.sock"));
    let over_unix = Listener::unix(&socket, 0o600).await.context("the API on a unix socket")?;
    Ok((vec![over_tls, over_unix], bound))
}

async fn engine(
    settings: &Settings,
    store: &Store,
    (bmcs, steps): (&Arc<dyn Bmcs>, &Steps),
    ways: Ways,
    media: BootImages,
) -> anyhow::Result<Engine> {
    let data = settings.data();
    let images = underlay_image::Store::open(data.join("images")).await.context("the image store")?;
    Asking(store.clone()).sweep(&images).await?;
    let fetcher = Fetcher::new(underlay_image::fetch::Options::default()).context("fetching images")?;
    let importer = Importer::new(images.clone(), fetcher, Limits::default());
    let local = settings.image_root.clone().map(LocalRoot::open).transpose().context("the image root")?;
    let uploads = data.join("uploads");
    std::fs::create_dir_all(&uploads).context("the directory of uploads")?;
    let uploads = Some(LocalRoot::open(uploads).context("the directory of uploads")?);
    let mut patience = Patience::default();
    if let Some(seconds) = settings.power_patience {
        patience.power = Duration::from_secs(seconds);
    }
    if let Some(seconds) = settings.boot_patience {
        patience.boot = Duration::from_secs(seconds);
    }
    if let Some(seconds) = settings.imaging_patience {
        patience.imaging = Duration::from_secs(seconds);
    }
    if let Some(seconds) = settings.start_patience {
        patience.start = Duration::from_secs(seconds);
    }
    let interval = Duration::from_secs(settings.audit_seconds.unwrap_or(900));
    let audits = Arc::new(Rarely { interval, projection: ways.projection.clone() });
    let (ways, media) = (Arc::new(ways), Arc::new(media));
    Ok(Engine::new(store.clone(), underlay_engine::Config::default())
        .register(Networks)
        .register(Credentials)
        .register(Profiles)
        .register(Sites)
        .register(config::Steps)
        .register(Pools)
        .register(Images::new(images, importer, local, uploads, Asking(store.clone())))
        .register(Hosts {
            bmcs: bmcs.clone(),
            audits,
            boot_url: ways.clone(),
            media: media.clone(),
            patience,
        })
        .register(Machines {
            bmcs: bmcs.clone(),
            boot_url: ways,
            media,
            steps: Arc::new(steps.clone()),
            patience,
        }))
}

fn exported(
    store: &Store,
    api: &Api,
    engine: &Engine,
    dhcp: &Arc<dhcp::Counters>,
    tftp: &Arc<tftp::Counters>,
) -> Arc<Exported> {
    let mut registry = prometheus_client::registry::Registry::default();
    engine.metrics().register(&mut registry);
    registry.register_collector(Box::new(Plain::Dhcp(dhcp.clone())));
    registry.register_collector(Box::new(Plain::Tftp(tftp.clone())));
    registry.register_collector(Box::new(Plain::Store(store.clone())));
    Arc::new(Exported { registry: Mutex::new(registry), api: api.metrics(), store: store.clone() })
}

/// TFTP, from the first network that needs it on: a laptop without one never asks for port 69.
async fn serve_tftp(
    address: SocketAddr,
    files: Arc<Loaders>,
    counters: Arc<tftp::Counters>,
    mut networks: tokio::sync::watch::Receiver<Arc<[dhcp::Network]>>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let needed =
        |networks: &Arc<[dhcp::Network]>| networks.iter().any(|network| network.mode != dhcp::Mode::Off);
    tokio::select! {
        () = cancel.cancelled() => return Ok(()),
        found = networks.wait_for(needed) => if found.is_err() { return Ok(()) },
    }
    match tftp::Server::bind(address, files, tftp::Limits::default(), counters).await {
        Ok(server) => server.run(cancel).await.context("TFTP"),
        Err(error) => {
            tracing::warn!(
                error = underlay_core::because(&error),
                "no TFTP: firmware that needs it will not boot"
            );
            cancel.cancelled().await;
            Ok(())
        }
    }
}
