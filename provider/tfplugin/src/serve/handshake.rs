//! The one line on stdout that tells the host where we listen and which certificate we have.
//!
//! `1|6|unix|/path|grpc|CERT`, with the certificate as unpadded base64 of its DER, empty without TLS. A seventh field is
//! allowed only when the host sets `PLUGIN_MULTIPLEX_GRPC`: older ones take everything after the fifth as the certificate.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{Error, listen::Address};

/// The line, without its end.
pub(super) fn line(address: &Address, certificate: Option<&[u8]>, multiplex_asked: MultiplexAsked) -> String {
    let certificate = certificate.map(|der| STANDARD_NO_PAD.encode(der)).unwrap_or_default();
    let line = format!("1|6|{}|{}|grpc|{certificate}", address.network(), address.text());
    match multiplex_asked {
        MultiplexAsked::Yes => format!("{line}|false"),
        MultiplexAsked::No => line,
    }
}

/// Whether the host asked about multiplexing, which we do not offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MultiplexAsked {
    Yes,
    No,
}

impl MultiplexAsked {
    pub(super) fn from_env() -> Self {
        if std::env::var_os("PLUGIN_MULTIPLEX_GRPC").is_some() { Self::Yes } else { Self::No }
    }
}

/// Says the line to the host.
pub(super) fn say(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{line}").and_then(|()| out.flush());
    said.map_err(|source| Error::System { act: "write the handshake to stdout", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_six_fields_unless_the_host_asked_for_a_seventh() {
        let address = Address::Unix("/tmp/x".into());
        assert_eq!(line(&address, Some(&[0xff, 0xfe]), MultiplexAsked::No), "1|6|unix|/tmp/x|grpc|//4");
        assert_eq!(line(&address, None, MultiplexAsked::Yes), "1|6|unix|/tmp/x|grpc||false");
    }
}
