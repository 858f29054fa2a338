//! A Debian package as a stream of files (deb(5)): an ar archive whose `data.tar` is compressed with xz, zstd, gzip or
//! not at all.
//!
//! The package is untrusted until apt vouched for it, and bounded all the same: sizes are checked before anything is
//! held in memory, and nothing is ever unpacked to a path that the package names.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The most a package may unpack to; Debian's largest kernel is a fifth of that.
const MAX_UNPACKED: u64 = 4 << 30;
/// The largest single file that is read.
const MAX_FILE: u64 = 64 << 20;

/// The package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such file, or no right to read it.
    #[error("{} cannot be opened", .path.display())]
    Open {
        /// The package.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Not an ar archive, or one that ends early.
    #[error("this is no Debian package: {0}")]
    Archive(&'static str),
    /// The data member cannot be unpacked.
    #[error("the package's files cannot be unpacked")]
    Unpack(#[source] io::Error),
    /// A file is larger than any kernel or module.
    #[error("{path} has {size} bytes, more than {MAX_FILE}")]
    TooLarge {
        /// Path in the package.
        path: String,
        /// Its size.
        size: u64,
    },
}

/// Calls `visit` with the path (no leading `./`) and reader of every regular file, in the package's order. `visit` says
/// whether it wants a file's bytes before they are read.
pub(super) fn files(
    package: &Path,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(&str, Vec<u8>),
) -> Result<(), Error> {
    for entry in archive(package)?.entries().map_err(Error::Unpack)? {
        let mut entry = entry.map_err(Error::Unpack)?;
        let path = path_of(&entry);
        if !entry.header().entry_type().is_file() || !wanted(&path) {
            continue;
        }
        let size = entry.size();
        if size > MAX_FILE {
            return Err(Error::TooLarge { path, size });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        entry.read_to_end(&mut bytes).map_err(Error::Unpack)?;
        visit(&path, bytes);
    }
    Ok(())
}

/// The path (no leading `./`) and target of every symbolic link.
pub(super) fn links(package: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut links = Vec::new();
    for entry in archive(package)?.entries().map_err(Error::Unpack)? {
        let entry = entry.map_err(Error::Unpack)?;
        if entry.header().entry_type().is_symlink()
            && let Some(target) = entry.link_name_bytes()
        {
            links.push((path_of(&entry), String::from_utf8_lossy(&target).into_owned()));
        }
    }
    Ok(links)
}

/// The package's files, unpacked as they are read.
fn archive(package: &Path) -> Result<tar::Archive<impl Read>, Error> {
    let file = File::open(package).map_err(|source| Error::Open { path: package.to_owned(), source })?;
    let (name, data) = data_member(BufReader::new(file))?;
    let plain: Box<dyn Read> = match name.as_str() {
        "data.tar.xz" => Box::new(liblzma::read::XzDecoder::new(data)),
        "data.tar.zst" => Box::new(zstd::Decoder::new(data).map_err(Error::Unpack)?),
        "data.tar.gz" => Box::new(flate2::read::GzDecoder::new(data)),
        "data.tar" => Box::new(data),
        _ => return Err(Error::Archive("its data has a compression this program does not read")),
    };
    Ok(tar::Archive::new(plain.take(MAX_UNPACKED)))
}

fn path_of(entry: &tar::Entry<'_, impl Read>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned()
}

/// Finds `data.tar*` and returns its name and bytes.
fn data_member<R: Read + Seek>(mut file: R) -> Result<(String, io::Take<R>), Error> {
    let cut_off = |_| Error::Archive("it ends early");
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(cut_off)?;
    if magic != *b"!<arch>\n" {
        return Err(Error::Archive("it does not begin as an ar archive does"));
    }
    loop {
        let mut header = [0; 60];
        file.read_exact(&mut header).map_err(|_| Error::Archive("it has no data.tar"))?;
        let field = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(header.get(range).unwrap_or_default()).trim_end().to_owned()
        };
        let size: u64 = field(48..58).parse().map_err(|_| Error::Archive("a member has no size"))?;
        let name = field(0..16).trim_end_matches('/').to_owned();
        if name.starts_with("data.tar") {
            return Ok((name, file.take(size)));
        }
        let next =
            i64::try_from(size.next_multiple_of(2)).map_err(|_| Error::Archive("a member is too long"))?;
        file.seek(SeekFrom::Current(next)).map_err(cut_off)?;
    }
}
