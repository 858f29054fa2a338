//! The kernel command line, which is how the boot script talks to the agent.
//!
//! `underlay.url` (boot endpoint, plain HTTP), `underlay.api` (gRPC over TLS), `underlay.ca` (SHA-256 of the CA
//! certificate, DER), `underlay.token`, `underlay.mode=deploy|discover|reside`, and the boot NIC as `underlay.mac` or PXELINUX's
//! `BOOTIF=01-52-54-..`, with its `underlay.address=ADDRESS/PREFIX` and `underlay.gateway` where there is no DHCP. Addresses are literal, so that no resolver is needed. The last value of a word counts, as in
//! the kernel. Invariant: the token is never printed; no error here repeats the line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use secrecy::SecretString;
use underlay_core::{Mac, image::Sha256};

/// What the boot script asked for.
#[derive(Debug)]
pub struct Settings {
    /// The boot endpoint: where the CA certificate, manifests and image data are read.
    pub url: Url,
    /// The agent service.
    pub api: SocketAddr,
    /// What the CA certificate must hash to.
    pub ca: Sha256,
    /// What to do.
    pub mode: Mode,
    /// The NIC the firmware booted over, where it is known.
    pub boot_mac: Option<Mac>,
    /// What that NIC takes in place of a lease.
    pub address: Option<Fixed>,
}

/// An address that was given, not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The NIC that takes it.
    pub mac: Mac,
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// Default route, if any.
    pub gateway: Option<Ipv4Addr>,
}

/// What the agent is here for.
#[derive(Debug)]
pub enum Mode {
    /// Redeem the token and take orders.
    Deploy {
        /// One-time token.
        token: SecretString,
    },
    /// Report the inventory again and again.
    Discover,
    /// Live on an installed system and tell of it.
    Reside,
}

/// An `http://` URL whose host is a literal address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Address and port.
    pub address: SocketAddr,
    /// What goes before every path; empty or `/something` without a slash at the end.
    pub prefix: String,
}

/// The command line cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A word is missing.
    #[error("there is no {0}= in them")]
    Missing(&'static str),
    /// A word has a value that cannot be read. The value itself is not shown.
    #[error("there is a bad {word}= in them: {want} is wanted")]
    Bad {
        /// Which word.
        word: &'static str,
        /// What it should look like.
        want: &'static str,
    },
}

impl Settings {
    /// Reads a kernel command line.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let word = |name: &'static str| {
            line.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let need = |name| word(name).filter(|value| !value.is_empty()).ok_or(Error::Missing(name));
        let mode = match word("underlay.mode").unwrap_or("deploy") {
            "deploy" => Mode::Deploy { token: SecretString::from(need("underlay.token")?.to_owned()) },
            "discover" => Mode::Discover,
            "reside" => Mode::Reside,
            _ => return Err(Error::Bad { word: "underlay.mode", want: "deploy, discover or reside" }),
        };
        let boot_mac = word("underlay.mac")
            .or_else(|| word("BOOTIF").map(without_hardware_type))
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::Bad { word: "underlay.mac", want: "a MAC address" })?;
        let address = word("underlay.address")
            .map(|cidr| fixed(cidr, word("underlay.gateway"), boot_mac))
            .transpose()?;
        Ok(Self {
            url: parse_url(need("underlay.url")?, "http://", 80)
                .ok_or(Error::Bad { word: "underlay.url", want: "http://ADDRESS:PORT" })?,
            api: parse_url(need("underlay.api")?, "https://", 443)
                .filter(|url| url.prefix.is_empty())
                .ok_or(Error::Bad { word: "underlay.api", want: "https://ADDRESS:PORT" })?
                .address,
            ca: need("underlay.ca")?
                .parse()
                .map_err(|_| Error::Bad { word: "underlay.ca", want: "a SHA-256 in hex" })?,
            mode,
            boot_mac,
            address,
        })
    }
}

impl Url {
    /// Reads `http://ADDRESS[:PORT][/PREFIX]`.
    pub fn parse(text: &str) -> Option<Self> {
        parse_url(text, "http://", 80)
    }
}

fn fixed(cidr: &str, gateway: Option<&str>, mac: Option<Mac>) -> Result<Fixed, Error> {
    let bad = Error::Bad { word: "underlay.address", want: "ADDRESS/PREFIX" };
    let parts = cidr.split_once('/').and_then(|(address, prefix)| {
        Some((address.parse().ok()?, prefix.parse().ok().filter(|prefix| *prefix <= 32)?))
    });
    let (address, prefix) = parts.ok_or(bad)?;
    let gateway = gateway.map(str::parse).transpose();
    let gateway = gateway.map_err(|_| Error::Bad { word: "underlay.gateway", want: "an IPv4 address" })?;
    // Of several NICs, none can be told to be the right one by an address alone.
    Ok(Fixed { mac: mac.ok_or(Error::Missing("underlay.mac"))?, address, prefix, gateway })
}

/// PXELINUX writes the ARP hardware type before the address: `01-52-54-00-12-34-56`.
fn without_hardware_type(bootif: &str) -> &str {
    match bootif.split_once(['-', ':']) {
        Some((_, address)) if bootif.len() > 17 => address,
        _ => bootif,
    }
}

fn parse_url(text: &str, scheme: &str, port: u16) -> Option<Url> {
    let rest = text.strip_prefix(scheme)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = authority.parse().ok().or_else(|| {
        let host = authority.trim_start_matches('[').trim_end_matches(']');
        Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port))
    })?;
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#');
    plain.then(|| Url { address, prefix: path.trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const CA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn line(rest: &str) -> String {
        format!(
            "quiet console=ttyS0 underlay.url=http://10.0.2.2:8080 underlay.api=https://10.0.2.2:7443 underlay.ca={CA} {rest}"
        )
    }

    #[test]
    fn a_deploy_line_is_read_and_its_token_is_not_shown() {
        let settings = Settings::parse(&line("underlay.token=s3cret BOOTIF=01-52-54-00-12-34-56")).unwrap();
        assert_eq!(settings.url, Url { address: "10.0.2.2:8080".parse().unwrap(), prefix: String::new() });
        assert_eq!(settings.api, "10.0.2.2:7443".parse().unwrap());
        assert_eq!(settings.boot_mac, Some("52:54:00:12:34:56".parse().unwrap()));
        assert!(!format!("{settings:?}").contains("s3cret"));
        let Mode::Deploy { token } = settings.mode else { panic!("{settings:?}") };
        assert_eq!(token.expose_secret(), "s3cret");
    }

    #[test]
    fn discovery_needs_no_token() {
        let settings =
            Settings::parse(&line("underlay.mode=discover underlay.mac=52:54:00:00:00:01")).unwrap();
        assert!(matches!(settings.mode, Mode::Discover));
        assert!(settings.boot_mac.is_some());
    }

    #[test]
    fn an_address_that_is_given_belongs_to_the_boot_nic() {
        let parse = |rest: &str| Settings::parse(&line(&format!("underlay.mode=discover {rest}")));
        let mac = "underlay.mac=52:54:00:00:00:01";
        let settings =
            parse(&format!("{mac} underlay.address=10.12.0.9/22 underlay.gateway=10.12.0.1")).unwrap();
        let fixed = Fixed {
            mac: "52:54:00:00:00:01".parse().unwrap(),
            address: [10, 12, 0, 9].into(),
            prefix: 22,
            gateway: Some([10, 12, 0, 1].into()),
        };
        assert_eq!(settings.address, Some(fixed));
        let alone = parse(&format!("{mac} underlay.address=10.12.0.9/22")).unwrap();
        assert_eq!(alone.address, Some(Fixed { gateway: None, ..fixed }));
        assert_eq!(parse(mac).unwrap().address, None);
        assert_eq!(parse("underlay.address=10.12.0.9/22").unwrap_err(), Error::Missing("underlay.mac"));
        for bad in ["10.12.0.9", "10.12.0.9/33", "x/22", "/", "10.12.0.9/22 underlay.gateway=x"] {
            assert!(
                matches!(parse(&format!("{mac} underlay.address={bad}")), Err(Error::Bad { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_last_of_two_words_counts_as_in_the_kernel() {
        let settings = Settings::parse(&line("underlay.mode=deploy underlay.mode=discover")).unwrap();
        assert!(matches!(settings.mode, Mode::Discover));
    }

    #[test]
    fn what_is_missing_or_bad_is_named_without_its_value() {
        assert_eq!(Settings::parse("quiet").unwrap_err(), Error::Missing("underlay.token"));
        assert_eq!(Settings::parse(&line("")).unwrap_err(), Error::Missing("underlay.token"));
        for bad in [
            "underlay.url=ftp://10.0.0.1",
            "underlay.api=http://10.0.0.1:1",
            "underlay.ca=abc",
            "underlay.mode=x",
            "underlay.url=http://boot.example:80",
            "underlay.mac=zz",
            "underlay.url=http://10.0.0.1/a?b",
        ] {
            let error = Settings::parse(&line(&format!("underlay.token=canary {bad}"))).unwrap_err();
            assert!(matches!(error, Error::Bad { .. }), "{bad}: {error}");
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn ipv6_and_a_prefix_are_read() {
        let url = Url::parse("http://[fd00:77::1]:8080/boot/v1/").unwrap();
        assert_eq!(url, Url { address: "[fd00:77::1]:8080".parse().unwrap(), prefix: "/boot/v1".into() });
        assert_eq!(Url::parse("http://[fd00:77::1]").unwrap().address.port(), 80);
    }
}
