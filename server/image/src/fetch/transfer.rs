//! One fetch across its connections (RFC 9110 sections 13.1.5, 14 and 15.3.7).
//!
//! What has arrived is never asked for twice where the server does ranges; where it does not, what has arrived is read
//! again and dropped. Either way an answer must announce the same file as the first one did.

use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE},
};
use tokio::sync::mpsc;
use underlay_core::Cause;

use super::Error;
use crate::{progress, source::Url, tap::Chunk};

/// How far the fetch is, and what the first answer said.
pub(super) struct Transfer<'a> {
    url: &'a Url,
    limit: u64,
    received: u64,
    total: Option<u64>,
    etag: Option<String>,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(url: &'a Url, limit: u64) -> Self {
        Self { url, limit, received: 0, total: None, etag: None }
    }

    /// How many bytes have arrived and been passed on.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Makes one connection and passes on what it brings. `attempts` is for the error.
    pub(super) async fn connect(
        &mut self,
        client: &Client,
        attempts: u32,
        sink: &mpsc::Sender<Chunk>,
        progress: &progress::Sender,
    ) -> Result<(), Error> {
        let mut response = self.request(client, attempts).await?;
        let mut skip = self.accept(&response, attempts)?;
        progress.send_modify(|p| p.total = self.total);
        loop {
            let chunk = response.chunk().await.map_err(|error| self.truncated(attempts, Some(error)))?;
            let Some(mut chunk) = chunk else { break };
            let known = skip.min(chunk.len() as u64);
            skip -= known;
            chunk = chunk.slice(known as usize..);
            self.received += chunk.len() as u64;
            if self.received > self.limit {
                return Err(self.too_large(self.received));
            }
            sink.send(Chunk::Data(chunk)).await.map_err(|_| Error::Abandoned)?;
        }
        if skip > 0 || self.total.is_some_and(|total| self.received < total) {
            return Err(self.truncated(attempts, None));
        }
        Ok(())
    }

    async fn request(&self, client: &Client, attempts: u32) -> Result<Response, Error> {
        let mut request = client.get(self.url.get().clone()).header(ACCEPT_ENCODING, "identity");
        if self.received > 0 {
            request = request.header(RANGE, format!("bytes={}-", self.received));
            if let Some(etag) = &self.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        request.send().await.map_err(|error| {
            let (is_redirect, source) = (error.is_redirect(), error.without_url());
            let url = self.url.clone();
            if is_redirect {
                Error::Redirect { url, source: Some(source) }
            } else if self.received > 0 {
                self.truncated(attempts, Some(source))
            } else {
                Error::Unreachable { url, attempts, source: Cause::of(&source) }
            }
        })
    }

    /// Does the answer continue what we have? Returns how many of its first bytes we have already.
    fn accept(&mut self, response: &Response, attempts: u32) -> Result<u64, Error> {
        let headers = response.headers();
        let (skip, total) = match response.status() {
            StatusCode::OK => (self.received, response.content_length()),
            StatusCode::PARTIAL_CONTENT if self.received > 0 => {
                let (start, total) =
                    content_range(headers).ok_or_else(|| self.changed("an unreadable range"))?;
                if start != self.received {
                    return Err(self.changed("another range than asked for"));
                }
                (0, total)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => return Err(self.changed("it is shorter now")),
            // What the client follows is not seen here: this leads to another scheme, or nowhere.
            status if status.is_redirection() => {
                return Err(Error::Redirect { url: self.url.clone(), source: None });
            }
            status => return Err(Error::Status { url: self.url.clone(), status, attempts }),
        };
        if let Some(length) = total.filter(|length| *length > self.limit) {
            return Err(self.too_large(length));
        }
        let etag = strong_etag(headers);
        if self.received == 0 {
            (self.total, self.etag) = (total, etag);
        } else if self.total.zip(total).is_some_and(|(first, now)| first != now) {
            return Err(self.changed("its length is another"));
        } else if self.etag.as_ref().zip(etag.as_ref()).is_some_and(|(first, now)| first != now) {
            return Err(self.changed("its ETag is another"));
        }
        Ok(skip)
    }

    fn changed(&self, what: &'static str) -> Error {
        Error::Changed { url: self.url.clone(), what }
    }

    fn too_large(&self, length: u64) -> Error {
        Error::TooLarge { url: self.url.clone(), length, limit: self.limit }
    }

    fn truncated(&self, attempts: u32, source: Option<reqwest::Error>) -> Error {
        Error::Truncated {
            url: self.url.clone(),
            received: self.received,
            expected: self.total,
            attempts,
            source: source.map(|source| Cause::of(&source)),
        }
    }
}

/// `bytes START-END/TOTAL`, where TOTAL may be `*`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = value.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()))
}

/// Only a strong validator promises the same bytes.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (etag.starts_with('"') && etag.len() <= 256).then(|| etag.to_owned())
}
