//! `underlay-agent install` and `uninstall`: the agent becomes a service of a live system, and is none any more.
//!
//! The token comes on standard input and is spent before anything is installed but the key, so what is wrong with it is
//! said at once and it is never written down. Doing it again mends what is missing. Nothing of the system beside the
//! agent's own files is changed.

use std::{
    fs,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    process::Command,
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    attributes,
    keep::{self, failed, make_folder, write},
    line::look,
    places::Places,
};
use crate::{
    cmdline::{self, Settings},
    home::{
        channel,
        trust::{self, Trust},
    },
    http::Endpoint,
};

const UNIT: &str = include_str!("underlay-agent.service");
const NAME: &str = "underlay-agent.service";
/// No token is longer.
const TOKEN: u64 = 256;

/// The agent cannot be installed, or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not what was expected.
    #[error("usage: underlay-agent install --url http://ADDRESS:PORT --api https://ADDRESS:PORT --ca SHA256")]
    Usage,
    /// An address or digest makes no sense.
    #[error("the arguments are refused")]
    Arguments(#[source] cmdline::Error),
    /// Not root.
    #[error("this needs root; run it with sudo")]
    NotRoot,
    /// Nobody to run it.
    #[error("this system is not run by systemd (there is no {}); the agent is installed as its service only", .0.display())]
    NoSystemd(PathBuf),
    /// No token came.
    #[error("the token is read from standard input: echo TOKEN | underlay-agent install ...")]
    NoToken,
    /// Standard input is broken.
    #[error("the token cannot be read")]
    ReadToken(#[source] io::Error),
    /// The server is another one, or none.
    #[error("the server is not to be believed")]
    Trust(#[source] trust::Error),
    /// Nobody answers at the API's address.
    #[error("the server cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    /// The server does not take the machine.
    #[error("the server does not adopt this machine: {}", .0.message())]
    Refused(tonic::Status),
    /// A file.
    #[error(transparent)]
    Keep(#[from] keep::Error),
    /// A file that it wrote for the machine.
    #[error(transparent)]
    Attributes(#[from] attributes::Error),
    /// systemctl failed.
    #[error("systemctl {what}: {said}")]
    Systemd {
        /// What it was told.
        what: String,
        /// What it answered.
        said: String,
    },
}

/// What the operator's command says.
struct Asked {
    url: String,
    api: String,
    ca: String,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, Error> {
        let (mut url, mut api, mut ca) = (None, None, None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let slot = match word.as_str() {
                "--url" => &mut url,
                "--api" => &mut api,
                "--ca" => &mut ca,
                _ => return Err(Error::Usage),
            };
            *slot = Some(words.next().ok_or(Error::Usage)?.clone());
        }
        let ((Some(url), Some(api)), Some(ca)) = ((url, api), ca) else { return Err(Error::Usage) };
        Ok(Self { url, api, ca })
    }

    /// As the service reads them.
    fn settings(&self) -> String {
        let Self { url, api, ca } = self;
        format!("underlay.mode=reside\nunderlay.url={url}\nunderlay.api={api}\nunderlay.ca={ca}\n")
    }
}

/// Makes this machine a host and the agent its service.
///
/// # Errors
/// Whatever stands in the way; doing it again is safe.
pub async fn install(arguments: &[String]) -> Result<(), Error> {
    let asked = Asked::read(arguments)?;
    let text = asked.settings();
    let settings = Settings::parse(&text).map_err(Error::Arguments)?;
    let places = Places::real();
    must_fit(&places)?;
    let token = token(io::stdin())?;
    let endpoint = Endpoint(settings.url);
    let trust = Trust::fetch(&endpoint, settings.ca).await.map_err(Error::Trust)?;
    let key = keep::key(&places)?;
    let tls = trust.tls(None).map_err(Error::Trust)?;
    let channel = channel::connect(settings.api, tls).await.map_err(Error::Connect)?;
    let adopted = key.adopt(channel, &token, look()).await.map_err(Error::Refused)?;
    put(&places, &text)?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "--quiet", NAME])?;
    systemctl(&["restart", NAME])?;
    println!(
        "this machine is host {} ({}); its agent runs as {NAME}. Nothing else was changed.",
        adopted.host_name, adopted.host_id
    );
    Ok(())
}

/// Removes the service and every file of the agent, its key included. The server is not told: its host stays until it is
/// destroyed there.
///
/// # Errors
/// Whatever cannot be removed; doing it again goes on.
pub fn uninstall() -> Result<(), Error> {
    let places = Places::real();
    must_fit(&places)?;
    if places.unit().exists() {
        systemctl(&["disable", "--quiet", "--now", NAME])?;
    }
    remove(&places)?;
    systemctl(&["daemon-reload"])?;
    println!("the agent is removed; to forget the host too: terraform destroy, or delete it on the server");
    Ok(())
}

fn must_fit(places: &Places) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let systemd = places.systemd();
    if systemd.is_dir() { Ok(()) } else { Err(Error::NoSystemd(systemd)) }
}

fn token(input: io::Stdin) -> Result<SecretString, Error> {
    if input.is_terminal() {
        return Err(Error::NoToken);
    }
    let mut text = String::new();
    input.lock().take(TOKEN + 1).read_to_string(&mut text).map_err(Error::ReadToken)?;
    let token = SecretString::from(text.trim().to_owned());
    let is_one = !token.expose_secret().is_empty() && token.expose_secret().len() as u64 <= TOKEN;
    if is_one { Ok(token) } else { Err(Error::NoToken) }
}

/// Writes what the service needs.
fn put(places: &Places, settings: &str) -> Result<(), Error> {
    make_folder(&places.settings_folder(), 0o755)?;
    write(&places.settings(), 0o600, settings.as_bytes())?;
    let own = Path::new("/proc/self/exe");
    let program = fs::read(own).map_err(failed("reading", own))?;
    for path in [places.program(), places.unit()] {
        if let Some(folder) = path.parent() {
            make_folder(folder, 0o755)?;
        }
    }
    write(&places.program(), 0o755, &program)?;
    write(&places.unit(), 0o644, UNIT.as_bytes())?;
    Ok(())
}

/// Removes what [`install`] wrote, and the attributes; what is gone already is fine.
fn remove(places: &Places) -> Result<(), Error> {
    attributes::remove(places)?;
    let gone = |path: &Path, done: io::Result<()>| match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::from(failed("removing", path)(error)))
        }
        _ => Ok(()),
    };
    for path in [places.unit(), places.settings(), places.program()] {
        gone(&path, fs::remove_file(&path))?;
    }
    let state = places.state_folder();
    gone(&state, fs::remove_dir_all(&state))?;
    // The folder may be somebody else's too.
    let _ = fs::remove_dir(places.settings_folder());
    Ok(())
}

fn systemctl(words: &[&str]) -> Result<(), Error> {
    let what = words.join(" ");
    let failed = |said: String| Error::Systemd { what: what.clone(), said };
    let output = Command::new("systemctl").args(words).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cmdline::Mode;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn asked() -> Asked {
        let ca = "ab".repeat(32);
        let line = format!("--url http://10.0.0.2:7480 --api https://10.0.0.2:7443 --ca {ca}");
        Asked::read(&words(&line)).unwrap()
    }

    #[test]
    fn what_the_command_says_is_what_the_service_reads() {
        let settings = Settings::parse(&asked().settings()).unwrap();
        assert!(matches!(settings.mode, Mode::Reside));
        assert_eq!(settings.api, "10.0.0.2:7443".parse().unwrap());
        for bad in ["", "--url", "--url a --api b", "--url a --api b --ca c --token d", "TOKEN"] {
            assert!(matches!(Asked::read(&words(bad)), Err(Error::Usage)), "{bad}");
        }
    }

    #[test]
    fn what_is_installed_is_removed_without_a_trace_and_twice_is_fine() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::beneath(root.path());
        keep::key(&places).unwrap();
        for _ in 0..2 {
            put(&places, &asked().settings()).unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&places.settings()), mode(&places.program())), (0o600, 0o755));
        for _ in 0..2 {
            remove(&places).unwrap();
        }
        let left: Vec<_> = [places.unit(), places.program(), places.settings_folder(), places.state_folder()]
            .into_iter()
            .filter(|path| path.exists())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
