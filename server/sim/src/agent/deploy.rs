//! One image from order to report: identity, disk, manifest, every segment fetched and verified before it counts as
//! written, then the seed.
//!
//! A stage is reported before what it announces is done: `Writing` before the first write, so that whoever reads the
//! reports knows that the disk may be touched.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{sync::watch, time::Instant};
use underlay_core::{
    Bytes, Mac, disks,
    host::Identity,
    identity,
    image::{Blake3, Encoding, Manifest, Segment, manifest, segment},
    machine::RootHint,
};
use underlay_proto::v1::{self as pb, report::Stage};

use super::command_line::Settings;
use crate::{
    boot::http::{self, Nic},
    machine::{
        self, Machine,
        disk::{Content, Table, Written},
    },
    rack::Rack,
    system::seed::Volume,
};

/// The longest manifest that is read.
const MANIFEST: usize = 32 << 20;
/// How often in a row the data may break off, or be corrupt, without a byte of progress.
const STRIKES: u32 = 12;
const AGAIN: Duration = Duration::from_secs(1);
/// Where a partition table's signature is.
const SIGNATURE: std::ops::Range<usize> = 510..512;

/// One deployment.
pub(super) struct Work {
    rack: Arc<Rack>,
    machine: Arc<Machine>,
    url: String,
    order: pb::Deploy,
    say: watch::Sender<Option<Stage>>,
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the order cannot be read: bad {0}")]
    Order(&'static str),
    #[error("this is not the host the order is for")]
    Identity(#[source] identity::Mismatch),
    #[error("the root disk is not clear")]
    Choose(#[source] disks::Error),
    #[error("the manifest cannot be fetched")]
    FetchManifest(#[source] http::Error),
    #[error("the manifest is refused")]
    Manifest(#[source] manifest::Error),
    #[error("the manifest describes {found} bytes, the order {expected}")]
    Size { expected: u64, found: u64 },
    #[error("the image has no partition table, so there is no place for the seed")]
    NoTable,
    #[error("the image data cannot be fetched")]
    FetchData(#[source] http::Error),
    #[error("the image data is corrupt")]
    Corrupt(#[source] segment::Mismatch),
    #[error("the segment at byte {0} cannot be decoded")]
    Decode(u64),
    #[error("writing at byte {0} failed: Input/output error (os error 5)")]
    Write(u64),
    /// The machine hangs; nothing is said any more.
    #[error("the machine hangs")]
    Hangs,
}

/// Was a disk written to?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touched {
    No,
    Yes,
}

impl Work {
    pub(super) fn new(
        life: &machine::Life,
        settings: &Settings,
        order: pb::Deploy,
        say: watch::Sender<Option<Stage>>,
    ) -> Self {
        let (rack, machine) = (Arc::clone(&life.rack), Arc::clone(&life.machine));
        Self { rack, machine, url: settings.url.clone(), order, say }
    }

    /// Does it; the last stage is `Written` or `Failed`, or there is none.
    pub(super) async fn run(self) {
        self.says(Stage::Checking(pb::report::Checking {}));
        let mut touched = Touched::No;
        match self.deploy(&mut touched).await {
            Ok(written) => self.says(written),
            Err(Error::Hangs) => {}
            Err(error) => self.says(failed(&error, touched)),
        }
    }

    fn seed(&self) -> Volume {
        let Some(runs) = &self.order.seed_runs else { return Volume::of(&self.order.seed) };
        let length = usize::try_from(runs.length).unwrap_or(usize::MAX);
        let run =
            |run: &pb::seed_runs::Run| (usize::try_from(run.begin).unwrap_or(usize::MAX), run.data.clone());
        let runs: Vec<_> = runs.runs.iter().map(run).collect();
        Volume::of_runs(length, runs.iter().map(|(begin, run)| (*begin, run.as_slice())))
    }

    fn says(&self, stage: Stage) {
        self.say.send_replace(Some(stage));
    }

    async fn deploy(&self, touched: &mut Touched) -> Result<Stage, Error> {
        let (position, disk) = self.find_disk()?;
        let manifest = self.fetch_manifest().await?;
        let mut reader =
            Reader { work: self, body: None, at: 0, end: manifest.stored_size(), rest: BytesMut::new() };
        let table = reader.table(&manifest).await?;
        if !self.seed().is_empty() && table == Table::Absent {
            return Err(Error::NoTable);
        }
        let began = Instant::now();
        let total = manifest.virtual_size();
        self.says(Stage::Writing(pb::report::Writing { disk: disk.clone(), done: 0, total }));
        *touched = Touched::Yes;
        let description = Written { digest: manifest.digest(), segments: manifest.segments().len(), table };
        let description = self.rack.image(description);
        self.write(position, |content| content.begin(description));
        let mut written = 0;
        for segment in manifest.segments() {
            self.may_hang(segment.end())?;
            written += reader.land(segment, position).await?;
            let done = segment.end();
            self.says(Stage::Writing(pb::report::Writing { disk: disk.clone(), done, total }));
        }
        self.says(Stage::Finishing(pb::report::Finishing {}));
        let seed = Arc::new(self.seed());
        self.may_fail(total.saturating_add(seed.len()))?;
        if !seed.is_empty() {
            written += seed.len();
            self.write(position, |content| content.put_seed(seed));
        }
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // What the real agent takes for any image.
        Ok(Stage::Written(pb::report::Written { disk, written, elapsed_ms, peak_memory: 0 }))
    }

    fn find_disk(&self) -> Result<(usize, String), Error> {
        let inventory = machine::inventory(&self.rack, &self.machine);
        let disks: Vec<_> = inventory.disks.iter().map(facts).collect();
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let order = &self.order;
        let mac = given(&order.expected_mac).map(|mac| mac.parse::<Mac>()).transpose();
        let uuid = given(&order.expected_uuid).map(|uuid| uuid.parse()).transpose();
        let expected = Identity {
            boot_mac: mac.map_err(|_| Error::Order("expected_mac"))?,
            serial: given(&order.expected_serial),
            uuid: uuid.map_err(|_| Error::Order("expected_uuid"))?,
            tpm: None,
        };
        identity::check(&expected, &found(&inventory)).map_err(Error::Identity)?;
        let hint = RootHint {
            kind: given(&order.root_kind),
            min_size: Some(Bytes(order.root_min_size_bytes)).filter(|size| size.0 > 0),
            serial: given(&order.root_serial),
            wwn: given(&order.root_wwn),
            by_path: given(&order.root_by_path),
        };
        let chosen = disks::choose(&disks, &hint, Bytes(order.virtual_size)).map_err(Error::Choose)?;
        let position = disks.iter().position(|disk| disk.name == chosen.name).unwrap_or_default();
        Ok((position, chosen.name.clone()))
    }

    async fn fetch_manifest(&self) -> Result<Manifest, Error> {
        let digest: Blake3 =
            self.order.manifest_digest.parse().map_err(|_| Error::Order("manifest_digest"))?;
        let url = format!("{}{}", self.url, self.order.manifest_path);
        let mut strikes = 0;
        let bytes = loop {
            match self.nic().read(&url, None, MANIFEST).await {
                Ok(bytes) => break bytes,
                Err(error) if strikes >= STRIKES => return Err(Error::FetchManifest(error)),
                Err(_) => strikes += 1,
            }
            self.rack.pauses(AGAIN).await;
        };
        let manifest = if bytes.starts_with(b"{") {
            let manifest = Manifest::from_json(&bytes).map_err(Error::Manifest)?;
            if manifest.digest() != digest {
                let found = manifest.digest();
                return Err(Error::Manifest(manifest::Error::Digest { expected: digest, found }));
            }
            manifest
        } else {
            Manifest::decode(&bytes, &digest).map_err(Error::Manifest)?
        };
        match manifest.virtual_size() {
            found if found == self.order.virtual_size => Ok(manifest),
            found => Err(Error::Size { expected: self.order.virtual_size, found }),
        }
    }

    fn nic(&self) -> Nic {
        Nic::of(&self.rack, &self.machine)
    }

    fn write(&self, position: usize, change: impl FnOnce(&mut Content)) {
        if let Some(content) = self.machine.state().disks.get_mut(position) {
            change(content);
        }
    }

    fn may_fail(&self, end: u64) -> Result<(), Error> {
        match self.rack.faults.disk_fails_at(&self.machine) {
            Some(at) if end > at => Err(Error::Write(at)),
            _ => Ok(()),
        }
    }

    fn may_hang(&self, end: u64) -> Result<(), Error> {
        match self.rack.faults.agent_dies_at(&self.machine) {
            Some(at) if end >= at => Err(Error::Hangs),
            _ => Ok(()),
        }
    }
}

/// The data blob, read from its beginning to its end over as many connections as it takes.
struct Reader<'a> {
    work: &'a Work,
    body: Option<http::Answer>,
    at: u64,
    end: u64,
    rest: BytesMut,
}

impl Reader<'_> {
    /// Fetches a segment, verifies it, and has it on the disk. Returns the bytes that went there.
    async fn land(&mut self, segment: &Segment, position: usize) -> Result<u64, Error> {
        let mut strikes = 0;
        if segment.encoding != Encoding::Hole {
            loop {
                let stored = self.fetch(segment).await?;
                match segment.check(&stored) {
                    Ok(()) => break,
                    Err(mismatch) if strikes >= 3 => return Err(Error::Corrupt(mismatch)),
                    Err(_) => strikes += 1,
                }
                self.body = None;
            }
        }
        self.work.may_fail(segment.end())?;
        self.work.write(position, Content::land);
        Ok(if segment.encoding == Encoding::Hole { 0 } else { segment.length })
    }

    /// The stored bytes of a segment.
    async fn fetch(&mut self, segment: &Segment) -> Result<BytesMut, Error> {
        let (begin, end) = (segment.stored_offset, segment.stored_end());
        let length = usize::try_from(segment.stored_length).unwrap_or(usize::MAX);
        let mut strikes = 0;
        loop {
            match self.fill(begin, end, length).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) if strikes >= STRIKES => return Err(Error::FetchData(error)),
                Err(_) => strikes += 1,
            }
            self.work.rack.pauses(AGAIN).await;
        }
    }

    async fn fill(&mut self, begin: u64, end: u64, length: usize) -> Result<BytesMut, http::Error> {
        if self.body.is_none() || self.at != begin {
            self.rest.clear();
            let url = format!("{}{}", self.work.url, self.work.order.data_path);
            // To the blob's end, as the real agent reads: one request serves all segments.
            self.body = Some(self.work.nic().get(&url, Some(begin..self.end)).await?);
            self.at = begin;
        }
        while self.rest.len() < length {
            let chunk = match self.body.as_mut() {
                Some(body) => body.chunk().await,
                None => Ok(None),
            };
            match chunk {
                Ok(Some(chunk)) => self.rest.extend_from_slice(&chunk),
                Ok(None) => {
                    self.body = None;
                    return Err(http::Error::TooLong { url: "image data ended early".into(), most: length });
                }
                Err(error) => {
                    self.body = None;
                    return Err(error);
                }
            }
        }
        self.at = end;
        Ok(self.rest.split_to(length))
    }

    /// Does the image begin with a partition table? Looks at its first segment; what was read stays with the server.
    async fn table(&mut self, manifest: &Manifest) -> Result<Table, Error> {
        let Some(first) = manifest.segments().first() else { return Ok(Table::Absent) };
        let signed = |bytes: &[u8]| match bytes.get(SIGNATURE) {
            Some([0x55, 0xaa]) => Table::Present,
            _ => Table::Absent,
        };
        if first.encoding == Encoding::Hole {
            return Ok(Table::Absent);
        }
        let stored = self.fetch(first).await?;
        self.body = None;
        // What is corrupt here is fetched anew, and judged, when it is its turn to be written.
        if first.check(&stored).is_err() || first.encoding == Encoding::Raw {
            return Ok(signed(&stored));
        }
        let length = usize::try_from(first.length.min(manifest::MAX_SEGMENT_LENGTH)).unwrap_or(0);
        let plain = zstd::bulk::decompress(&stored, length).map_err(|_| Error::Decode(first.offset))?;
        Ok(signed(&plain))
    }
}

fn failed(error: &Error, touched: Touched) -> Stage {
    let blames_host = matches!(error, Error::Write(_));
    let (kind, attribute, next) = match error {
        Error::FetchManifest(_) | Error::FetchData(_) => {
            (pb::failure::Kind::Transient, "", "Check that the host reaches the server's boot endpoint")
        }
        Error::Corrupt(_) => (pb::failure::Kind::Transient, "", "Check the network path to the server"),
        Error::Choose(_) => (
            pb::failure::Kind::Invalid,
            "root",
            "Name the disk: root = { serial = \"...\" }, or by_path, wwn, kind",
        ),
        Error::NoTable => (pb::failure::Kind::Invalid, "image", "Use an image with a partition table"),
        Error::Identity(_) => (
            pb::failure::Kind::Permanent,
            "",
            "Compare the host's identity and BMC address with the machine in the rack",
        ),
        Error::Write(_) => (pb::failure::Kind::Permanent, "", "Check the disk and its cabling"),
        _ => (pb::failure::Kind::Permanent, "image", "Import the image again"),
    };
    let done = match touched {
        Touched::No => "No byte was written to any disk",
        Touched::Yes => "The root disk holds part of the image; it is written again from the start next time",
    };
    let failure = pb::Failure {
        kind: kind.into(),
        what: "Deploying the image".into(),
        why: underlay_core::because(error),
        done: done.into(),
        next: next.into(),
        attribute: attribute.into(),
    };
    let touched_disk = touched == Touched::Yes;
    Stage::Failed(pb::report::Failed { failure: Some(failure), touched_disk, blames_host })
}

/// A disk in core's words.
fn facts(disk: &pb::Disk) -> underlay_core::agent::Disk {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    underlay_core::agent::Disk {
        name: disk.name.clone(),
        by_path: given(&disk.by_path),
        serial: given(&disk.serial),
        wwn: given(&disk.wwn),
        model: given(&disk.model),
        kind: disk.kind.clone(),
        size: Bytes(disk.size_bytes),
        sector: disk.sector_bytes,
        excluded: given(&disk.excluded),
        health: None,
    }
}

/// As much of an inventory as an identity is held against.
fn found(inventory: &pb::Inventory) -> underlay_core::agent::Inventory {
    let nic = |nic: &pb::Nic| {
        Some(underlay_core::agent::Nic {
            name: nic.name.clone(),
            mac: nic.mac.parse().ok()?,
            link: nic.link,
            speed: None,
            addresses: Vec::new(),
            driver: None,
            boot: nic.boot,
            neighbour: None,
        })
    };
    underlay_core::agent::Inventory {
        serial: Some(inventory.serial.clone()),
        uuid: Some(inventory.uuid.clone()),
        nics: inventory.nics.iter().filter_map(nic).collect(),
        ..Default::default()
    }
}
