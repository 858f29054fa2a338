//! The plugin process without a host: handshake, trust, footprint.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rcgen::{CertifiedKey, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::UnixStream};
use tokio_rustls::TlsConnector;

use crate::cli::{provider_binary, until};

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// A plugin process that has said its line.
struct Plugin {
    child: Child,
    socket: PathBuf,
    certificate: CertificateDer<'static>,
    took: Duration,
}

impl Plugin {
    fn start(host: &CertifiedKey<KeyPair>) -> Self {
        Self::start_in(host, &std::env::temp_dir())
    }

    /// With this temporary directory.
    fn start_in(host: &CertifiedKey<KeyPair>, temporary: &Path) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(provider_binary())
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
            .env("PLUGIN_CLIENT_CERT", host.cert.pem())
            .env("TMPDIR", temporary)
            .env_remove("TF_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let took = begun.elapsed();
        let fields: Vec<_> = line.trim_end().split('|').collect();
        assert_eq!((fields[0], fields[1], fields[2], fields[4], fields.len()), ("1", "6", "unix", "grpc", 6));
        let certificate = STANDARD_NO_PAD.decode(fields[5]).unwrap().into();
        Self { child, socket: fields[3].into(), certificate, took }
    }

    /// The peak resident memory, in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Opens TLS and HTTP/2 as this client; what the server first says, or why not.
    async fn greet(&self, client: Option<&CertifiedKey<KeyPair>>) -> std::io::Result<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let mut config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let key = PrivateKeyDer::Pkcs8(client.signing_key.serialize_der().into());
                config.with_client_auth_cert(vec![client.cert.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = UnixStream::connect(&self.socket).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        // A server that refuses us may have closed already; reading then says why.
        let hello = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        let mut first = vec![0; 9];
        stream.read_exact(&mut first).await?;
        hello.map(|()| first)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_file(&self.socket).ok();
        std::fs::remove_dir(self.socket.parent().unwrap()).ok();
    }
}

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

#[tokio::test]
async fn only_the_client_with_the_pinned_certificate_is_served() {
    let host = certificate();
    let plugin = Plugin::start(&host);
    let settings = plugin.greet(Some(&host)).await.unwrap();
    assert_eq!(settings[3], 4, "the first frame is SETTINGS");
    let error = plugin.greet(None).await.unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    plugin.greet(Some(&certificate())).await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_stalls_does_not_hold_up_another() {
    let host = certificate();
    let plugin = Plugin::start(&host);
    let _stalled = UnixStream::connect(&plugin.socket).await.unwrap();
    plugin.greet(Some(&host)).await.unwrap();
}

#[test]
fn nobody_else_can_reach_the_socket() {
    use std::os::unix::fs::PermissionsExt;
    let plugin = Plugin::start(&certificate());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&plugin.socket), 0o600);
    assert_eq!(mode(plugin.socket.parent().unwrap()), 0o700);
}

#[test]
fn a_long_temporary_directory_is_no_obstacle() {
    let plugin = Plugin::start_in(&certificate(), Path::new(&format!("/tmp/{}", "long".repeat(40))));
    assert!(plugin.socket.starts_with("/tmp") && plugin.socket.exists());
}

#[test]
fn run_by_hand_it_says_what_it_is() {
    let output = Command::new(provider_binary()).env_remove("TF_PLUGIN_MAGIC_COOKIE").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("this program is a plugin"));
}

#[test]
fn it_ignores_an_interrupt_and_cleans_up_when_told_to_end() {
    use rustix::process::{Pid, Signal, kill_process};
    let mut plugin = Plugin::start(&certificate());
    let pid = Pid::from_raw(i32::try_from(plugin.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = plugin.child.wait().unwrap();
    assert!(status.success(), "{status}: killed by the interrupt");
    assert!(!plugin.socket.exists());
}

#[test]
fn an_orphan_ends_by_itself() {
    // The shell lives until its input ends, which leaves the plugin without its parent.
    let script = format!("{} & echo $!; read -r line", provider_binary().display());
    let mut shell = Command::new("sh")
        .args(["-c", &script])
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The number of the process and its handshake, in either order.
    let said = [lines.next().unwrap(), lines.next().unwrap()];
    let pid: u32 = said.iter().find_map(|line| line.parse().ok()).unwrap();
    assert!(Path::new(&format!("/proc/{pid}/exe")).exists());
    drop(shell.stdin.take());
    shell.wait().unwrap();
    until("the plugin is gone", || !Path::new(&format!("/proc/{pid}/exe")).exists());
}

/// The figures are 10 ms and 15 MB; a loaded machine gets three times the time.
#[test]
fn it_starts_fast_and_stays_small() {
    let host = certificate();
    let mut took: Vec<_> = (0..9).map(|_| Plugin::start(&host).took).collect();
    took.sort();
    let memory = Plugin::start(&host).memory();
    println!(
        "handshake: median {:?}, best {:?}; peak memory {:.1} MB",
        took[4],
        took[0],
        memory as f64 / 1e6
    );
    assert!(took[0] < Duration::from_millis(30), "{took:?}");
    assert!(memory < 15_000_000, "{memory}");
}
