//! Where the host finds us: a unix socket in a directory of our own, or TCP on loopback where there are no unix sockets.
//!
//! The directory is 0700 from the start, so nobody else reaches the socket even before its own mode is set. A socket path
//! holds 107 bytes; a long temporary directory falls back to `/tmp`.

use std::{io, net::Ipv4Addr, path::PathBuf};

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::{Error, connection::Connection};

/// How the host reaches us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A unix socket.
    #[cfg(unix)]
    Unix,
    /// TCP on loopback.
    Tcp,
}

impl Transport {
    /// What this system uses.
    pub fn native() -> Self {
        #[cfg(unix)]
        return Self::Unix;
        #[cfg(not(unix))]
        return Self::Tcp;
    }
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Tcp(std::net::SocketAddr),
}

impl Address {
    pub(super) fn network(&self) -> &'static str {
        match self {
            Self::Unix(_) => "unix",
            Self::Tcp(_) => "tcp",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Unix(path) => path.display().to_string(),
            Self::Tcp(address) => address.to_string(),
        }
    }
}

/// A listener; a socket of ours is removed with it.
pub(super) struct Listener {
    socket: Socket,
    pub(super) address: Address,
}

enum Socket {
    #[cfg(unix)]
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) async fn bind(transport: Transport) -> Result<Self, Error> {
        match transport {
            #[cfg(unix)]
            Transport::Unix => unix::bind(),
            Transport::Tcp => tcp().await,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Connection> {
        match &self.socket {
            #[cfg(unix)]
            Socket::Unix(listener) => Ok(Connection::new(listener.accept().await?.0)),
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Without it small messages wait for the peer's delayed acknowledgement, 40 ms a call.
                stream.set_nodelay(true)?;
                Ok(Connection::new(stream))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address {
            // A socket that is gone already needs no removal.
            std::fs::remove_file(path).ok();
            if let Some(directory) = path.parent() {
                std::fs::remove_dir(directory).ok();
            }
        }
    }
}

/// Within the port range the host names, or on any port.
async fn tcp() -> Result<Listener, Error> {
    let port = |name| std::env::var(name).ok()?.parse::<u16>().ok();
    let range = port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT")).filter(|(min, max)| min <= max);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in range.map_or(0..=0, |(min, max)| min..=max) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                let address = listener.local_addr().map_err(|source| failed("127.0.0.1", source))?;
                return Ok(Listener { socket: Socket::Tcp(listener), address: Address::Tcp(address) });
            }
            Err(error) => last = error,
        }
    }
    Err(failed("127.0.0.1", last))
}

fn failed(address: &str, source: io::Error) -> Error {
    Error::Listen { address: address.to_owned(), source }
}

#[cfg(unix)]
mod unix {
    //! The unix socket and its directory.

    use std::{
        fs::{DirBuilder, Permissions},
        io,
        os::unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, PermissionsExt, chown},
        },
        path::{Path, PathBuf},
    };

    use tokio::net::UnixListener;

    use super::{Address, Error, Listener, Socket, failed};

    /// The longest path a socket address holds, without its end.
    const LONGEST: usize = 107;

    pub(super) fn bind() -> Result<Listener, Error> {
        let directory = directory().map_err(|source| failed("a temporary directory", source))?;
        let path = directory.join("plugin.sock");
        let shown = path.display().to_string();
        let listener = UnixListener::bind(&path).map_err(|source| failed(&shown, source))?;
        let listener = Listener { socket: Socket::Unix(listener), address: Address::Unix(path.clone()) };
        permit(&directory, &path).map_err(|source| failed(&shown, source))?;
        Ok(listener)
    }

    /// A new directory that only we can enter.
    fn directory() -> io::Result<PathBuf> {
        let wanted =
            std::env::var_os("PLUGIN_UNIX_SOCKET_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let mut parent = wanted.unwrap_or_else(std::env::temp_dir);
        if parent.as_os_str().as_bytes().len() + 48 > LONGEST {
            parent = PathBuf::from("/tmp");
        }
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..100 {
            let nanos = jiff::Timestamp::now().subsec_nanosecond();
            let path = parent.join(format!("tfplugin-{}-{nanos:x}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// For us alone, or for the group that the host names.
    fn permit(directory: &Path, socket: &Path) -> io::Result<()> {
        let group = std::env::var("PLUGIN_UNIX_SOCKET_GROUP").ok().filter(|group| !group.is_empty());
        let Some(group) = group else {
            return std::fs::set_permissions(socket, Permissions::from_mode(0o600));
        };
        let id = group_id(&group)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no group {group}")))?;
        for (path, mode) in [(socket, 0o660), (directory, 0o750)] {
            chown(path, None, Some(id))?;
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// A group by number, or by its name in `/etc/group`.
    fn group_id(group: &str) -> Option<u32> {
        if let Ok(id) = group.parse() {
            return Some(id);
        }
        let groups = std::fs::read_to_string("/etc/group").ok()?;
        let line = groups.lines().find(|line| line.split(':').next() == Some(group))?;
        line.split(':').nth(2)?.parse().ok()
    }
}
