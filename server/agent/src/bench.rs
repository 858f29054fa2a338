//! `underlay-agent write`: the image write alone, on a disk or file of one's choice, with its cost. For `make bench`.

use std::{path::Path, sync::Arc, time::Instant};

use underlay_core::image::Blake3;

use crate::{
    cmdline::Url,
    deploy::{
        error::chain,
        memory,
        run::{MAX_MANIFEST, read_manifest},
        write::{Data, write},
    },
    disk::{Disk, block::Block},
    http::Endpoint,
};

/// Writes an image and prints `written=BYTES image=BYTES seconds=S cpu_seconds=S peak_rss=BYTES` on one line.
/// `arguments` are those after the word `write`.
pub async fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (mut manifest, mut data, mut digest, mut disk) = (None, None, None, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--manifest" => manifest = words.next(),
            "--data" => data = words.next(),
            "--digest" => digest = words.next(),
            _ => disk = Some(word),
        }
    }
    let usage = "usage: underlay-agent write --manifest URL --data URL --digest HEX DISK";
    let (manifest, data, digest, disk) =
        (manifest.ok_or(usage)?, data.ok_or(usage)?, digest.ok_or(usage)?, disk.ok_or(usage)?);

    let digest: Blake3 = digest.parse()?;
    let (endpoint, path) = split(manifest)?;
    let (bytes, _) = endpoint.get(&path, MAX_MANIFEST).await?;
    let manifest = Arc::new(read_manifest(&bytes, &digest)?);
    drop(bytes);
    let disk: Arc<dyn Disk> = Arc::new(Block::open(Path::new(disk))?);
    if disk.size() < manifest.virtual_size() {
        return Err(
            format!("the disk has {} bytes, the image {}", disk.size(), manifest.virtual_size()).into()
        );
    }
    let (source, path) = split(data)?;
    let began = Instant::now();
    let written = write(&manifest, Data { source: &source, path: &path }, &disk, &mut |_| {}).await;
    let written = written.map_err(|error| chain(&error))?;
    disk.sync()?;
    println!(
        "written={written} image={} seconds={:.3} cpu_seconds={:.3} peak_rss={}",
        manifest.virtual_size(),
        began.elapsed().as_secs_f64(),
        cpu_seconds(),
        memory::peak()
    );
    Ok(())
}

fn split(url: &str) -> Result<(Endpoint, String), String> {
    let mut url = Url::parse(url).ok_or_else(|| format!("{url}: http://ADDRESS:PORT/PATH is wanted"))?;
    let path = std::mem::take(&mut url.prefix);
    Ok((Endpoint(url), path))
}

/// User and system time of this process, all threads.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
