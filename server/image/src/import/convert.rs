//! From source bytes to a published image, on a thread that may block.
//!
//! A raw disk, packed or not, is encoded while it is read. A qcow2 has to be read whole first, since its tables point
//! anywhere; its checksum is then right before the first of its tables is believed. In every case the checksum is of
//! what was read, and nothing is published before it is right.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Write},
    path::PathBuf,
    sync::Arc,
};

use underlay_core::image::{Manifest, Segment, Sha256};

use super::Error;
use crate::{
    Phase,
    detect::{self, Compression, Format},
    encode::Encoder,
    progress,
    qcow2::{self, Extent},
    store::{self, Staging},
    tap::Tap,
    unpack,
};

const BUFFER: usize = 256 << 10;

/// One import.
pub(super) struct Job {
    pub(super) root: PathBuf,
    pub(super) sha256: Sha256,
    /// The largest disk, in bytes.
    pub(super) max_disk: u64,
    pub(super) progress: Arc<progress::Sender>,
}

/// A whole data blob, not yet durable.
struct Encoded {
    data: File,
    segments: Vec<Segment>,
    size: u64,
}

impl Job {
    /// Reads `tap` to its end and publishes the image.
    pub(super) fn run(&self, mut tap: Tap) -> Result<(), Error> {
        let staging = Staging::begin(&self.root)?;
        let encoded = match self.convert(&mut tap, &staging) {
            Ok(encoded) => encoded,
            Err(error) => return Err(self.cause(error, &mut tap)),
        };
        tap.check(self.sha256)?;
        tap.check_cancelled()?;
        self.progress.send_modify(|p| p.phase = Phase::Publishing);
        let manifest = Manifest::new(self.sha256, encoded.size, encoded.segments)?;
        Ok(staging.publish(&encoded.data, &manifest)?)
    }

    /// What a decoder cannot read is most often a source that broke off, or that is not what was promised.
    fn cause(&self, error: Error, tap: &mut Tap) -> Error {
        if let Some(failure) = tap.take_failure() {
            return failure;
        }
        if !matches!(error, Error::Unpack { .. }) {
            return error;
        }
        match tap.check(self.sha256) {
            Ok(()) => error,
            Err(cause) => cause,
        }
    }

    fn convert(&self, tap: &mut Tap, staging: &Staging) -> Result<Encoded, Error> {
        let head = detect::read_head(tap).map_err(Error::ReadSource)?;
        if head.is_empty() {
            return Err(Error::Empty);
        }
        let format = detect::detect(&head).map_err(Error::Refused)?;
        self.progress.send_modify(|p| p.format = Some((format, None)));
        match format {
            Format::Raw => self.encode_raw(Cursor::new(head).chain(tap), None, staging),
            Format::Qcow2 => {
                let file = self.stage(Cursor::new(head).chain(&mut *tap), None, staging)?;
                self.encode_qcow2(file, tap, staging)
            }
            Format::Compressed(compression) => self.unpack(compression, head, tap, staging),
        }
    }

    fn unpack(
        &self,
        compression: Compression,
        head: Vec<u8>,
        tap: &mut Tap,
        staging: &Staging,
    ) -> Result<Encoded, Error> {
        let broken = |source| Error::Unpack { compression, source };
        let packed = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(&mut *tap));
        let mut unpacked = unpack::reader(compression, packed).map_err(broken)?;
        let head = detect::read_head(&mut unpacked).map_err(broken)?;
        if head.is_empty() {
            return Err(Error::Empty);
        }
        let format = detect::detect(&head).map_err(Error::Refused)?;
        self.progress.send_modify(|p| p.format = Some((format, Some(compression))));
        let whole = Cursor::new(head).chain(unpacked);
        match format {
            Format::Raw => self.encode_raw(whole, Some(compression), staging),
            Format::Qcow2 => {
                let file = self.stage(whole, Some(compression), staging)?;
                self.encode_qcow2(file, tap, staging)
            }
            Format::Compressed(inner) => Err(Error::Nested { outer: compression, inner }),
        }
    }

    /// Encodes a disk while reading it.
    fn encode_raw(
        &self,
        mut disk: impl Read,
        packed: Option<Compression>,
        staging: &Staging,
    ) -> Result<Encoded, Error> {
        let mut encoder = self.encoder(staging)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let bytes = read_some(&mut disk, &mut buffer).map_err(|source| reading(packed, source))?;
            if bytes.is_empty() {
                return self.finish(encoder, staging);
            }
            encoder.data(bytes).map_err(|error| Error::encode(error, &staging.data_path()))?;
            self.check_size(encoder.offset())?;
        }
    }

    /// Writes what `reader` gives to a file in the store, to be read in any order.
    fn stage(
        &self,
        mut reader: impl Read,
        packed: Option<Compression>,
        staging: &Staging,
    ) -> Result<File, Error> {
        let path = staging.source_path();
        let unwritable = |source| Error::Store(store::Error::write(&path, source));
        let mut options = File::options();
        let mut file = options.create_new(true).read(true).write(true).open(&path).map_err(unwritable)?;
        let mut buffer = vec![0; BUFFER];
        let mut staged = 0;
        loop {
            let bytes = read_some(&mut reader, &mut buffer).map_err(|source| reading(packed, source))?;
            if bytes.is_empty() {
                return Ok(file);
            }
            staged += bytes.len() as u64;
            self.check_size(staged)?;
            file.write_all(bytes).map_err(unwritable)?;
        }
    }

    /// Encodes the disk of a staged qcow2, if its checksum is right.
    fn encode_qcow2(&self, file: File, tap: &mut Tap, staging: &Staging) -> Result<Encoded, Error> {
        tap.check(self.sha256)?;
        self.progress.send_modify(|p| p.phase = Phase::Encoding);
        let reader = qcow2::Reader::open(file, self.max_disk)?;
        let mut encoder = self.encoder(staging)?;
        reader.read(|extent| {
            tap.check_cancelled()?;
            let pushed = match extent {
                Extent::Zeros(length) => encoder.zeros(length),
                Extent::Data(bytes) => encoder.data(bytes),
            };
            pushed.map_err(|error| Error::encode(error, &staging.data_path()))?;
            self.show_encoded(encoder.offset());
            Ok::<_, Error>(())
        })?;
        self.finish(encoder, staging)
    }

    fn encoder(&self, staging: &Staging) -> Result<Encoder<File>, Error> {
        let path = staging.data_path();
        let data = File::create_new(&path).map_err(|source| store::Error::write(&path, source))?;
        Encoder::new(data).map_err(|error| Error::encode(error, &path))
    }

    fn finish(&self, encoder: Encoder<File>, staging: &Staging) -> Result<Encoded, Error> {
        let finished = encoder.finish().map_err(|error| Error::encode(error, &staging.data_path()));
        let (data, segments, size) = finished?;
        self.show_encoded(size);
        Ok(Encoded { data, segments, size })
    }

    fn check_size(&self, size: u64) -> Result<(), Error> {
        self.show_encoded(size);
        if size > self.max_disk { Err(Error::DiskTooLarge { limit: self.max_disk }) } else { Ok(()) }
    }

    fn show_encoded(&self, encoded: u64) {
        self.progress.send_modify(|p| p.encoded = encoded);
    }
}

/// Whom to blame when reading fails: the packing if there is one, else the source.
fn reading(packed: Option<Compression>, source: io::Error) -> Error {
    match packed {
        Some(compression) => Error::Unpack { compression, source },
        None => Error::ReadSource(source),
    }
}

fn read_some<'b>(reader: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(count) => return Ok(buffer.get(..count).unwrap_or_default()),
        }
    }
}
