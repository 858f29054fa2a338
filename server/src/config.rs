//! Settings of `underlay serve`: from a TOML file, the environment and flags, each winning over the one before.
//!
//! One struct is all three: every field is a flag with an environment variable, and a key of the file. A key that is
//! not known is an error, not a surprise.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// What an operator may set; everything has a default.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// TOML file with these settings; flags and environment win over it
    #[arg(long, env = "UNDERLAY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Where everything is kept: database, keys, images, QEMU hosts [default: /var/lib/underlay as root, else ~/.local/share/underlay]
    #[arg(long, env = "UNDERLAY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Database: postgres://..., or left out for SQLite in the data directory
    #[arg(long, env = "UNDERLAY_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// API over TLS, for provider, command line and agents [default: 0.0.0.0:7443]
    #[arg(long, env = "UNDERLAY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// API without TLS on a unix socket; who can open it is an administrator [default: api.sock in the data directory]
    #[arg(long, env = "UNDERLAY_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Boot endpoint over HTTP, for firmware and agents [default: 0.0.0.0:7480]
    #[arg(long, env = "UNDERLAY_BOOT_LISTEN", value_name = "ADDRESS")]
    pub boot_listen: Option<SocketAddr>,
    /// TFTP for firmware; only served when a network needs it [default: 0.0.0.0:69]
    #[arg(long, env = "UNDERLAY_TFTP_LISTEN", value_name = "ADDRESS")]
    pub tftp_listen: Option<SocketAddr>,
    /// Health and Prometheus metrics over HTTP [default: 127.0.0.1:7481]
    #[arg(long, env = "UNDERLAY_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    /// More names and addresses under which the API is reached; they go into its certificate
    #[arg(long, env = "UNDERLAY_NAMES", value_name = "NAME", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Address under which machines reach this server [default: their network's interface]
    #[arg(long, env = "UNDERLAY_BOOT_ADDRESS", value_name = "ADDRESS")]
    pub boot_address: Option<IpAddr>,
    /// Address under which BMCs reach the boot endpoint, to say that something happened and to read boot images [default:
    /// they are not asked to say anything; images as machines reach it]
    #[arg(long, env = "UNDERLAY_EVENT_ADDRESS", value_name = "ADDRESS")]
    pub event_address: Option<IpAddr>,
    /// Directory of the agent's kernel and initramfs, as made by `underlay ramdisk build` [default: ramdisk in the data directory]
    #[arg(long, env = "UNDERLAY_RAMDISK", value_name = "DIR")]
    pub ramdisk: Option<PathBuf>,
    /// Directory of network boot loaders [default: /usr/lib/ipxe]
    #[arg(long, env = "UNDERLAY_LOADERS", value_name = "DIR")]
    pub loaders: Option<PathBuf>,
    /// Directory beneath which images may be imported as file:// URLs [default: none may]
    #[arg(long, env = "UNDERLAY_IMAGE_ROOT", value_name = "DIR")]
    pub image_root: Option<PathBuf>,
    /// File with the key under which secrets are sealed; keep it out of backups of the data [default: sealing.key in the data directory]
    #[arg(long, env = "UNDERLAY_SEALING_KEY", value_name = "FILE")]
    pub sealing_key: Option<PathBuf>,
    /// Run QEMU hosts with KVM; only where a guest is known to run
    #[arg(long, env = "UNDERLAY_KVM", num_args = 0..=1, default_missing_value = "true")]
    pub kvm: Option<bool>,
    /// Let QEMU hosts ignore flushes: faster, for demos and tests
    #[arg(long, env = "UNDERLAY_QEMU_UNSAFE_CACHE", num_args = 0..=1, default_missing_value = "true")]
    pub qemu_unsafe_cache: Option<bool>,
    /// How often an idle host's BMC is asked whether it still answers, in seconds and on average; of a large fleet one
    /// host a second [default: 900]
    #[arg(long, env = "UNDERLAY_AUDIT_SECONDS", value_name = "SECONDS")]
    pub audit_seconds: Option<u64>,
    /// How long a BMC may take to do what it accepted, in seconds [default: 300]
    #[arg(long, env = "UNDERLAY_POWER_PATIENCE", value_name = "SECONDS")]
    pub power_patience: Option<u64>,
    /// How long the agent may take to call home, in seconds without any sign of it [default: 1200]
    #[arg(long, env = "UNDERLAY_BOOT_PATIENCE", value_name = "SECONDS")]
    pub boot_patience: Option<u64>,
    /// How long the agent may take over an image without any progress, in seconds [default: 600]
    #[arg(long, env = "UNDERLAY_IMAGING_PATIENCE", value_name = "SECONDS")]
    pub imaging_patience: Option<u64>,
    /// How long an installed system may take to call home, in seconds [default: 1800]
    #[arg(long, env = "UNDERLAY_START_PATIENCE", value_name = "SECONDS")]
    pub start_patience: Option<u64>,
    /// Only observe: switch nothing, image nothing, and have every machine boot its own disk
    #[arg(long, env = "UNDERLAY_OBSERVE_ONLY", num_args = 0..=1, default_missing_value = "true")]
    pub observe_only: Option<bool>,
    /// text or json [default: text]
    #[arg(long, env = "UNDERLAY_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The stopped server whose data a verb works on: what tells [`Settings`] where they are, in the same words.
#[derive(Args, Clone, Debug)]
pub struct Stopped {
    /// TOML file with the server's settings; flags and environment win over it
    #[arg(long, env = "UNDERLAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data directory [default: /var/lib/underlay as root, else ~/.local/share/underlay]
    #[arg(long, env = "UNDERLAY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Database: postgres://..., or left out for SQLite in the data directory
    #[arg(long, env = "UNDERLAY_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// File with the key under which secrets are sealed [default: sealing.key in the data directory]
    #[arg(long, env = "UNDERLAY_SEALING_KEY", value_name = "FILE")]
    sealing_key: Option<PathBuf>,
}

impl Stopped {
    /// The server's settings.
    ///
    /// # Errors
    /// The file cannot be read or has a key that is not known.
    pub fn settings(self) -> Result<Settings, Error> {
        let Self { config, data, database, sealing_key } = self;
        Settings { config, data, database, sealing_key, ..Settings::default() }.with_file()
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("reading settings from {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not as it should be.
    #[error("settings in {path}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and key.
        #[source]
        source: toml::de::Error,
    },
}

impl Settings {
    /// These settings, with what they leave out taken from their file.
    ///
    /// # Errors
    /// The file cannot be read or has a key that is not known.
    pub fn with_file(self) -> Result<Self, Error> {
        // An environment variable that is set to nothing is one that is not set.
        let database = self.database.clone().filter(|url| !url.is_empty());
        let this = Self { database, ..self };
        let Some(path) = this.config.clone() else { return Ok(this) };
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let file: Settings = toml::from_str(&text).map_err(|source| Error::Parse { path, source })?;
        Ok(this.over(file))
    }

    fn over(self, file: Settings) -> Self {
        Self {
            config: self.config,
            data: self.data.or(file.data),
            database: self.database.or(file.database),
            listen: self.listen.or(file.listen),
            socket: self.socket.or(file.socket),
            boot_listen: self.boot_listen.or(file.boot_listen),
            tftp_listen: self.tftp_listen.or(file.tftp_listen),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            names: if self.names.is_empty() { file.names } else { self.names },
            boot_address: self.boot_address.or(file.boot_address),
            event_address: self.event_address.or(file.event_address),
            ramdisk: self.ramdisk.or(file.ramdisk),
            loaders: self.loaders.or(file.loaders),
            image_root: self.image_root.or(file.image_root),
            sealing_key: self.sealing_key.or(file.sealing_key),
            kvm: self.kvm.or(file.kvm),
            qemu_unsafe_cache: self.qemu_unsafe_cache.or(file.qemu_unsafe_cache),
            audit_seconds: self.audit_seconds.or(file.audit_seconds),
            power_patience: self.power_patience.or(file.power_patience),
            boot_patience: self.boot_patience.or(file.boot_patience),
            imaging_patience: self.imaging_patience.or(file.imaging_patience),
            start_patience: self.start_patience.or(file.start_patience),
            observe_only: self.observe_only.or(file.observe_only),
            log_format: self.log_format.or(file.log_format),
        }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data)
    }

    /// The file with the key under which secrets are sealed.
    pub fn sealing_key(&self) -> PathBuf {
        self.beneath_data(self.sealing_key.as_deref(), "sealing.key")
    }

    /// Where the database is.
    pub fn database(&self) -> String {
        self.database.clone().unwrap_or_else(|| self.data().join("underlay.db").display().to_string())
    }

    /// A path that lies in the data directory unless it is set.
    pub fn beneath_data(&self, set: Option<&Path>, name: &str) -> PathBuf {
        set.map_or_else(|| self.data().join(name), Path::to_owned)
    }
}

/// `port` on every address.
pub fn everywhere(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

/// `port` on loopback.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn default_data() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/lib/underlay".into();
    }
    let home = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")));
    home.unwrap_or_else(std::env::temp_dir).join("underlay")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file() {
        let file: Settings =
            toml::from_str("listen = \"127.0.0.1:1\"\nboot-listen = \"127.0.0.1:2\"").expect("toml");
        let flags = Settings { listen: Some(loopback(3)), ..Settings::default() };
        let settings = flags.over(file);
        assert_eq!(settings.listen, Some(loopback(3)));
        assert_eq!(settings.boot_listen, Some(loopback(2)));
    }

    #[test]
    fn a_database_set_to_nothing_is_sqlite_in_the_data_directory() {
        let set =
            Settings { database: Some(String::new()), data: Some("/data".into()), ..Settings::default() };
        assert_eq!(set.with_file().expect("settings").database(), "/data/underlay.db");
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let error = toml::from_str::<Settings>("lisen = \"127.0.0.1:1\"").expect_err("a typing mistake");
        assert!(error.to_string().contains("lisen"), "{error}");
    }
}
