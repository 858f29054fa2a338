//! From the kernel's first jump to the first word with the server, and on to the way out.

use std::{fs, path::Path, sync::Arc, time::Duration};

use tracing::{error, info, warn};
use underlay_core::agent::Leave;

use crate::{
    cmdline::{self, Mode, Settings},
    deploy::error::chain,
    home::{
        discover,
        identity::{self, Key},
        trust::{self, Trust},
        work::Session,
    },
    http::Endpoint,
    inventory::asked::Asked,
    machine::Machine,
    net::{self, link, listen::Neighbours},
    pace::Pace,
    resident::{keep, line::Resident, places::Places},
    system::{console::Consoles, init, leave::leave, log::Log, modules},
};

/// How long a message stays on the screen before a machine that cannot go on starts over.
const READING_TIME: Duration = Duration::from_secs(60);

/// The agent cannot do what it is here for.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the settings cannot be read")]
    ReadSettings(#[source] std::io::Error),
    #[error("the settings are refused")]
    Settings(#[source] cmdline::Error),
    #[error("the network cannot be brought up")]
    Network(#[source] link::Error),
    #[error("the server is not to be believed")]
    Trust(#[source] trust::Error),
    #[error("no key")]
    Key(#[source] identity::Error),
    #[error("an agent that lives on an installed system is started by its service")]
    OtherWay,
    #[error("this machine was never adopted, or its key is gone: run underlay-agent install again")]
    NoKeptKey,
    #[error("the settings in /etc/underlay/agent.conf are not for a machine that is adopted")]
    OtherMode,
    #[error("the NIC this machine booted over is not known")]
    NoBootNic,
}

/// As the machine's first process: never returns but by leaving the machine.
pub async fn first_process() {
    if let Err(error) = init::mount_all() {
        // There may be no console yet; the kernel's own shows what goes to standard error.
        eprintln!("underlay-agent: mounting failed: {error}");
    }
    let log = Log::default();
    Consoles::open().install(log.clone());
    info!(version = env!("CARGO_PKG_VERSION"), "underlay agent");
    tokio::spawn(init::reap());
    modules::load_for_hardware();
    let how = match work(Path::new("/proc/cmdline"), Role::FirstProcess, log).await {
        Ok(how) => how,
        Err(error) => {
            error!(error = chain(&error), "the agent cannot go on; the machine restarts in a minute");
            tokio::time::sleep(READING_TIME).await;
            Leave::Reboot
        }
    };
    // The last lines leave a serial port no faster than it is.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = leave(how);
    error!(%error, "the kernel does not let go of the machine");
    std::future::pending::<()>().await;
}

/// As an ordinary process of a live system, with the network up already: the words of the kernel command line come from
/// a file, so that the token is in no argument list.
pub async fn service(settings: &Path) -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_target(false).with_writer(std::io::stderr).init();
    if Places::real().systemd().exists() {
        return Err(
            "this ends by restarting the machine, which is not done to a system that systemd runs".into()
        );
    }
    let how = work(settings, Role::Service, Log::default()).await?;
    Err(leave(how).into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    FirstProcess,
    Service,
}

async fn work(settings: &Path, role: Role, log: Log) -> Result<Leave, Error> {
    let text = fs::read_to_string(settings).map_err(Error::ReadSettings)?;
    let settings = Settings::parse(&text).map_err(Error::Settings)?;
    let mut boot = settings.boot_mac;
    if role == Role::FirstProcess {
        let link = net::bring_up(boot, settings.address).await.map_err(Error::Network)?;
        boot = boot.or(Some(link.mac));
        log.add_kernel();
    }
    let neighbours = Neighbours::listen();
    let asked = Asked::default();
    let machine = |boot| Machine { boot, neighbours: neighbours.clone(), asked: asked.clone() };
    let endpoint = Endpoint(settings.url);
    let trust = fetch_trust(&endpoint, settings.ca).await?;
    let session = |token, boot| -> Result<Session, Error> {
        Ok(Session {
            server: settings.api,
            trust: trust.clone(),
            key: Key::generate().map_err(Error::Key)?,
            token,
            host: Arc::new(machine(boot)),
            source: Arc::new(endpoint.clone()),
            log: log.clone(),
            quote: Default::default(),
        })
    };
    match settings.mode {
        Mode::Discover => {
            let boot = boot.ok_or(Error::NoBootNic)?;
            loop {
                let machine = machine(Some(boot));
                let token =
                    discover::run(settings.api, &trust, boot, &machine).await.map_err(Error::Trust)?;
                // Work that was called off before it began is no reason to leave: there may be other work.
                if let Some(leave) = session(token, Some(boot))?.run_until_refused().await {
                    return Ok(leave);
                }
            }
        }
        Mode::Reside => Err(Error::OtherWay),
        Mode::Deploy { token } => Ok(session(token, boot)?.run().await),
    }
}

/// As a service of a live system that lives on: nothing here ever leaves the machine. Ends when the server has forgotten it.
pub async fn reside() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .with_writer(std::io::stderr)
        .init();
    let places = Places::real();
    let text = fs::read_to_string(places.settings()).map_err(Error::ReadSettings)?;
    let settings = Settings::parse(&text).map_err(Error::Settings)?;
    if !matches!(settings.mode, Mode::Reside) {
        return Err(Error::OtherMode.into());
    }
    let key = keep::kept(&places)?.ok_or(Error::NoKeptKey)?;
    let trust = fetch_trust(&Endpoint(settings.url), settings.ca).await?;
    Resident { server: settings.api, trust, key, files: places }.run().await;
    info!(
        "the server has forgotten this machine: the agent stops, and leaves all as it is; to remove it: \
         underlay-agent uninstall"
    );
    Ok(())
}

/// Fetches the CA certificate until somebody answers; a wrong one ends it.
async fn fetch_trust(endpoint: &Endpoint, expected: underlay_core::image::Sha256) -> Result<Trust, Error> {
    let mut pace = Pace::default();
    loop {
        match Trust::fetch(endpoint, expected).await {
            Ok(trust) => return Ok(trust),
            Err(error @ trust::Error::Fetch(_)) => {
                warn!(error = chain(&error), "the boot endpoint does not answer")
            }
            Err(error) => return Err(Error::Trust(error)),
        }
        pace.wait().await;
    }
}
