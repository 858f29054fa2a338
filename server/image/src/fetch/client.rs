//! The HTTP client: redirects stay within their scheme and are few, every wait is bounded, and a fetch that stops is
//! taken up again a bounded number of times.

use std::time::Duration;

use reqwest::{Client, redirect::Policy};
use rustls::crypto::CryptoProvider;
use tokio::sync::mpsc;
use underlay_core::ErrorKind;

use super::{Error, transfer::Transfer};
use crate::{progress, source::Url, tap::Chunk};

const MAX_REDIRECTS: usize = 5;

/// How patient a fetch is.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// For the next byte.
    pub idle_timeout: Duration,
    /// How many connections in a row may bring no byte before the fetch fails.
    pub attempts: u32,
    /// Between the first two of them; doubled each time.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// Fetches sources; cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    options: Options,
}

impl Fetcher {
    /// A fetcher with the process's default crypto provider, which must have been installed, and the system's trust.
    pub fn new(options: Options) -> Result<Self, Error> {
        // The client panics without one.
        if CryptoProvider::get_default().is_none() {
            return Err(Error::NoClient("the process has installed no rustls crypto provider"));
        }
        let client = Client::builder()
            .redirect(Policy::custom(redirect))
            .referer(false)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.idle_timeout)
            .user_agent(concat!("underlay/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::BuildClient)?;
        Ok(Self { client, options })
    }

    /// Sends the bytes of `url`, at most `limit`, to `sink`, and sets the total in `progress` where it is known.
    pub(crate) async fn fetch(
        &self,
        url: &Url,
        limit: u64,
        sink: &mpsc::Sender<Chunk>,
        progress: &progress::Sender,
    ) -> Result<(), Error> {
        let mut transfer = Transfer::new(url, limit);
        let mut fruitless = 0;
        loop {
            let before = transfer.received();
            let attempts = fruitless + 1;
            let error = match transfer.connect(&self.client, attempts, sink, progress).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            fruitless = if transfer.received() > before { 0 } else { attempts };
            let is_over = matches!(error, Error::Changed { .. } | Error::Abandoned);
            if error.kind() != ErrorKind::Transient || is_over || fruitless >= self.options.attempts {
                return Err(error);
            }
            tracing::info!(%url, received = transfer.received(), %error, "fetch stopped, going on");
            tokio::time::sleep(self.options.pause * 2_u32.saturating_pow(fruitless)).await;
        }
    }
}

fn redirect(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let scheme = attempt.previous().first().map(reqwest::Url::scheme);
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else if scheme != Some(attempt.url().scheme()) {
        attempt.error("the redirect leads to another scheme; write the URL it leads to")
    } else {
        attempt.follow()
    }
}
