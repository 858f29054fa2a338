//! Requests for files, answered straight from the page cache: small ones in one write, large ones by sendfile(2).
//!
//! Reads requests off a connection for as long as each is a plain GET or HEAD of a file over HTTP/1.1; the first other
//! one, or one that is odd in any way, is left in the buffer for hyper, which then has the connection for good. What a
//! file's request gets is decided where the router decides it too: [`locate`], the shelf, and [`Conditions`].
//! sendfile blocks where the disk has to be read, so what is not in memory is read by a thread that may wait first.
//! Memory per connection: a head of at most [`HEAD`] bytes, and one small file.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use jiff::fmt::rfc2822;
use rustix::{
    fs::sendfile,
    io::{Errno, ReadWriteFlags, preadv2},
    net::SendFlags,
};
use tokio::{io::Interest, net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Endpoint,
    files::{Missing, locate},
    ranges::{Conditions, Part},
    shelf::{Asset, Shelved},
};

/// A request's head; firmware sends some hundred bytes.
const HEAD: usize = 16 << 10;
const HEADERS: usize = 48;
/// What one call sends at most, and what is read ahead where it is not in memory: the turn of one connection.
const TURN: u64 = 1 << 20;

/// How a connection went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It is over.
    Closed,
    /// What is in the buffer, and what follows, is for the router.
    Other,
}

/// Answers requests for files until there is another one, or none for `idle`, or it is cancelled.
pub(super) async fn converse(
    stream: &TcpStream,
    buffer: &mut BytesMut,
    endpoint: &Endpoint,
    idle: Duration,
    cancel: &CancellationToken,
) -> io::Result<After> {
    loop {
        let next = timeout(idle, cancel.run_until_cancelled(head(stream, buffer, endpoint)));
        let asked = match next.await {
            Ok(Some(head)) => match head? {
                Head::Asks(asked) => asked,
                Head::Other => return Ok(After::Other),
                Head::End => return Ok(After::Closed),
            },
            Ok(None) | Err(_) => return Ok(After::Closed),
        };
        let close = asked.close || cancel.is_cancelled();
        answer(stream, endpoint, asked, close).await?;
        if close {
            return Ok(After::Closed);
        }
    }
}

/// A request for a file.
pub(super) struct Asked {
    pub(super) asset: Result<Asset, Missing>,
    only_head: bool,
    close: bool,
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_range: Option<String>,
    range: Option<String>,
}

/// What came next on a connection.
enum Head {
    Asks(Asked),
    Other,
    End,
}

async fn head(stream: &TcpStream, buffer: &mut BytesMut, endpoint: &Endpoint) -> io::Result<Head> {
    loop {
        match read(buffer, endpoint) {
            Read::Asks(asked, length) => {
                buffer.advance(length);
                return Ok(Head::Asks(asked));
            }
            Read::Other => return Ok(Head::Other),
            Read::Partial if buffer.len() >= HEAD => return Ok(Head::Other),
            Read::Partial => {}
        }
        buffer.reserve(2048);
        stream.readable().await?;
        match stream.try_read_buf(buffer) {
            Ok(0) => return Ok(Head::End),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a buffer begins with.
pub(super) enum Read {
    Asks(Asked, usize),
    Other,
    Partial,
}

/// Takes a request only where nothing about it is out of the ordinary.
pub(super) fn read(buffer: &[u8], endpoint: &Endpoint) -> Read {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Read::Partial,
        Err(_) => return Read::Other,
    };
    let only_head = match (request.method, request.version) {
        (Some("GET"), Some(1)) => false,
        (Some("HEAD"), Some(1)) => true,
        _ => return Read::Other,
    };
    let Some(asset) = request.path.and_then(|path| locate(&endpoint.config, path)) else {
        return Read::Other;
    };
    let mut asked = Asked {
        asset,
        only_head,
        close: false,
        if_match: None,
        if_none_match: None,
        if_range: None,
        range: None,
    };
    let mut hosts = 0;
    for header in request.headers.iter() {
        let Ok(value) = std::str::from_utf8(header.value) else { return Read::Other };
        let slot = match () {
            () if is(header, "host") => {
                hosts += 1;
                continue;
            }
            () if is(header, "connection") => match value.to_ascii_lowercase().as_str() {
                "close" => {
                    asked.close = true;
                    continue;
                }
                "keep-alive" => continue,
                _ => return Read::Other,
            },
            () if is(header, "content-length") && value.trim() == "0" => continue,
            () if BODIES.iter().any(|name| is(header, name)) => return Read::Other,
            () if is(header, "if-match") => &mut asked.if_match,
            () if is(header, "if-none-match") => &mut asked.if_none_match,
            () if is(header, "if-range") => &mut asked.if_range,
            () if is(header, "range") => &mut asked.range,
            () => continue,
        };
        if slot.replace(value.to_owned()).is_some() {
            return Read::Other;
        }
    }
    if hosts == 1 { Read::Asks(asked, length) } else { Read::Other }
}

/// With one of these there is more to a request than its head.
const BODIES: [&str; 5] = ["content-length", "transfer-encoding", "upgrade", "expect", "te"];

fn is(header: &httparse::Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

async fn answer(stream: &TcpStream, endpoint: &Endpoint, asked: Asked, close: bool) -> io::Result<()> {
    let found = match &asked.asset {
        Err(why) => Err(*why),
        Ok(asset) => endpoint.shelf.take(asset).await.map(|shelved| (asset, shelved)).map_err(|error| {
            tracing::warn!(path = %asset.path.display(), %error, "asked for a file that is not there");
            "not there"
        }),
    };
    let (asset, shelved) = match found {
        Ok(found) => found,
        Err(why) => {
            let text = format!("{why}\n");
            let about =
                format!("content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n", text.len());
            let mut bytes = begin("404 Not Found", &about, close);
            if !asked.only_head {
                bytes.extend(text.bytes());
            }
            return write(stream, &bytes, SendFlags::empty()).await;
        }
    };
    let conditions = Conditions {
        if_match: asked.if_match.as_deref(),
        if_none_match: asked.if_none_match.as_deref(),
        if_range: asked.if_range.as_deref(),
        range: asked.range.as_deref().filter(|_| !asked.only_head),
    };
    let part = conditions.part(&shelved.etag, shelved.size);
    let (mut bytes, from, length) = response(asset, &shelved, part, close);
    if asked.only_head || length == 0 {
        return write(stream, &bytes, SendFlags::empty()).await;
    }
    match &shelved.content {
        Some(content) => {
            let (from, length) = (usize::try_from(from), usize::try_from(length));
            let (from, length) = (from.unwrap_or(usize::MAX), length.unwrap_or(0));
            bytes.extend_from_slice(content.get(from..from.saturating_add(length)).unwrap_or_default());
            write(stream, &bytes, SendFlags::empty()).await
        }
        None => {
            write(stream, &bytes, SendFlags::MORE).await?;
            send(stream, &shelved.file, from, length).await
        }
    }
}

/// The head of an answer, and which bytes of the file follow it.
fn response(asset: &Asset, shelved: &Shelved, part: Part, close: bool) -> (Vec<u8>, u64, u64) {
    let Shelved { size, etag, .. } = shelved;
    let tagged = format!("etag: {etag}\r\naccept-ranges: bytes\r\n");
    let about = |range: &str, length: u64| {
        format!("content-type: {}\r\ncontent-length: {length}\r\n{range}{tagged}", asset.content_type)
    };
    match part {
        Part::Whole => (begin("200 OK", &about("", *size), close), 0, *size),
        Part::Bytes { from, length } => {
            let range = format!("content-range: bytes {from}-{}/{size}\r\n", from + length - 1);
            (begin("206 Partial Content", &about(&range, length), close), from, length)
        }
        Part::NotModified => (begin("304 Not Modified", &tagged, close), 0, 0),
        Part::Failed => {
            (begin("412 Precondition Failed", &format!("content-length: 0\r\n{tagged}"), close), 0, 0)
        }
        Part::Unsatisfiable => {
            let about = format!("content-length: 0\r\ncontent-range: bytes */{size}\r\n{tagged}");
            (begin("416 Range Not Satisfiable", &about, close), 0, 0)
        }
    }
}

/// What a `Date` header says: the server's time, by which agents judge its certificate.
pub(super) fn date() -> String {
    let printer = rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&underlay_core::clock::now()).unwrap_or_default()
}

fn begin(status: &str, about: &str, close: bool) -> Vec<u8> {
    let date = date();
    let connection = if close { "connection: close\r\n" } else { "" };
    format!("HTTP/1.1 {status}\r\ndate: {date}\r\n{connection}{about}\r\n").into_bytes()
}

async fn write(stream: &TcpStream, mut bytes: &[u8], flags: SendFlags) -> io::Result<()> {
    let flags = flags | SendFlags::NOSIGNAL;
    while !bytes.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || rustix::net::send(stream, bytes, flags).map_err(io::Error::from))
            .await?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Sends a part of a file, a turn at a time.
async fn send(stream: &TcpStream, file: &Arc<File>, from: u64, length: u64) -> io::Result<()> {
    let (mut at, end) = (from, from + length);
    let mut warm = from;
    while at < end {
        if at >= warm {
            warm = (at + TURN).min(end);
            if !is_in_memory(file, at) || !is_in_memory(file, warm - 1) {
                read_ahead(Arc::clone(file), at, warm).await?;
            }
        }
        let turn = usize::try_from(warm - at).map_err(io::Error::other)?;
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let mut offset = at;
                sendfile(stream, file, Some(&mut offset), turn).map_err(io::Error::from)
            })
            .await?;
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was cut short"));
        }
        at += u64::try_from(sent).map_err(io::Error::other)?;
    }
    Ok(())
}

/// False only where a read would wait for the disk; a file system that cannot say is taken at its best.
fn is_in_memory(file: &File, at: u64) -> bool {
    let mut byte = [0];
    let mut into = [io::IoSliceMut::new(&mut byte)];
    !matches!(preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT), Err(Errno::AGAIN))
}

async fn read_ahead(file: Arc<File>, from: u64, to: u64) -> io::Result<()> {
    let reading = tokio::task::spawn_blocking(move || {
        let (mut block, mut at) = (vec![0; 128 << 10], from);
        while at < to {
            match file.read_at(&mut block, at)? {
                0 => break,
                read => at += u64::try_from(read).map_err(io::Error::other)?,
            }
        }
        Ok(())
    });
    reading.await.map_err(io::Error::other)?
}
