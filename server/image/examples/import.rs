//! Imports a file or URL into a store and prints how fast: `import STORE SHA256 (PATH | URL)`.

use std::{path::Path, time::Instant};

use underlay_image::{Fetcher, Importer, Limits, Source, Store, fetch, local::LocalRoot, progress};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, sha256, source] = arguments.as_slice() else {
        return Err("usage: import STORE SHA256 (PATH | URL)".into());
    };
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a crypto provider is installed")?;
    let source = if source.contains("://") {
        Source::Url(source.parse()?)
    } else {
        let path = Path::new(source).canonicalize()?;
        let directory = path.parent().ok_or("the root directory is no image")?;
        Source::File(LocalRoot::open(directory)?.file(&path)?)
    };
    let store = Store::open(root).await?;
    let importer = Importer::new(store.clone(), Fetcher::new(fetch::Options::default())?, Limits::default());
    let (sender, watcher) = progress::channel();

    let begin = Instant::now();
    let image = importer.import(source, sha256.parse()?, sender).await?;
    let took = begin.elapsed().as_secs_f64();
    let (read, manifest) = (watcher.borrow().read, image.manifest());
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("source    {:>9.1} MB  {:>7.1} MB/s", megabytes(read), megabytes(read) / took);
    println!(
        "disk      {:>9.1} MB  {:>7.1} MB/s",
        megabytes(manifest.virtual_size()),
        megabytes(manifest.virtual_size()) / took
    );
    println!(
        "data      {:>9.1} MB  {:>7.1} MB/s",
        megabytes(manifest.data_size()),
        megabytes(manifest.data_size()) / took
    );
    println!(
        "stored    {:>9.1} MB in {} segments",
        megabytes(image.data_length()),
        manifest.segments().len()
    );
    println!("took      {took:>9.2} s");
    println!("digest    {}", manifest.digest());

    let begin = Instant::now();
    store.verify(image.id()).await?;
    let took = begin.elapsed().as_secs_f64();
    println!(
        "verify    {:>9.2} s   {:>7.1} MB/s of data, one core",
        took,
        megabytes(manifest.data_size()) / took
    );
    Ok(())
}
