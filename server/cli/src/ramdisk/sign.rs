//! The agent's program with a line for good and a signature, for machines that start nothing else (UEFI 2.10 section 32,
//! "Secure Boot").
//!
//! A signature covers the kernel's line too, so there is no place in it for a machine's own: the line names the server and its
//! CA, and the machine that runs it is asked who it is. sbsign signs; the key is only ever read by that.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::iso::{self, LINE, MARKER};

/// What is signed, in the ramdisk's folder.
const PROGRAM: &str = "boot.efi";
/// What comes of it, beside it.
pub const SIGNED: &str = "boot.signed.efi";
/// What firmware is given in its place, where there is one.
pub const SHIM: &str = "shim.efi";

/// What to sign with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder with `boot.efi`.
    pub ramdisk: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// Its certificate, PEM, which the machines' firmware holds in `db`, or a shim in its list.
    pub certificate: PathBuf,
    /// A signed shim that starts the program; none where firmware does.
    pub shim: Option<PathBuf>,
    /// The words of the kernel's line.
    pub words: String,
}

/// Nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not installed.
    #[error("signing needs sbsign; install: sbsigntool")]
    NoProgram,
    /// A file cannot be read or written.
    #[error("{} cannot be {act}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// "read" or "written".
        act: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// There is no place for a line in it, or more than one.
    #[error("{} has {count} places for a kernel line and must have one; build it again: underlay ramdisk build --stub-deb", .path.display())]
    Places {
        /// The program.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// The line does not fit.
    #[error("the kernel line cannot be written")]
    Line(#[source] iso::Error),
    /// The program does not start.
    #[error("sbsign cannot be run")]
    Run(#[source] io::Error),
    /// The program failed.
    #[error("sbsign failed: {0}")]
    Failed(String),
}

/// Makes `boot.signed.efi`; it is complete or not there under its name. Returns its size.
///
/// # Errors
/// [`Error::NoProgram`] where it is; otherwise what went wrong.
pub fn sign(options: &Options) -> Result<u64, Error> {
    let path = options.ramdisk.join(PROGRAM);
    let program =
        fs::read(&path).map_err(|source| Error::File { path: path.clone(), act: "read", source })?;
    let with_line = with_line(program, &options.words, &path)?;
    let work =
        tempfile::TempDir::with_prefix_in(".sign-", &options.ramdisk).map_err(writing(&options.ramdisk))?;
    let (plain, signed) = (work.path().join("plain.efi"), work.path().join("signed.efi"));
    fs::write(&plain, with_line).map_err(writing(&plain))?;
    let ran = Command::new("sbsign")
        .arg("--key")
        .arg(&options.key)
        .arg("--cert")
        .arg(&options.certificate)
        .arg("--output")
        .arg(&signed)
        .arg(&plain)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoProgram,
            _ => Error::Run(error),
        })?;
    if !ran.status.success() {
        return Err(Error::Failed(iso::said(&ran)));
    }
    let size = fs::metadata(&signed).map_err(writing(&signed))?.len();
    let (shim, output) = (options.ramdisk.join(SHIM), options.ramdisk.join(SIGNED));
    match &options.shim {
        Some(from) => {
            let beside = work.path().join(SHIM);
            fs::copy(from, &beside).map_err(|source| Error::File {
                path: from.clone(),
                act: "read",
                source,
            })?;
            fs::rename(&beside, &shim).map_err(writing(&shim))?;
        }
        // One from before would go on being given to firmware.
        None => fs::remove_file(&shim)
            .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(writing(&shim))?,
    }
    fs::rename(&signed, &output).map_err(writing(&output))?;
    Ok(size)
}

/// The program with these words in the one place for them.
fn with_line(mut program: Vec<u8>, words: &str, path: &Path) -> Result<Vec<u8>, Error> {
    let marker = MARKER.as_bytes();
    let found = program.windows(marker.len()).enumerate().filter(|(_, window)| *window == marker);
    let places: Vec<usize> = found.map(|(at, _)| at).collect();
    let several = || Error::Places { path: path.to_owned(), count: places.len() };
    let [at] = places[..] else { return Err(several()) };
    let padded = iso::padded(words).map_err(Error::Line)?;
    let place = program.get_mut(at..at + LINE).ok_or_else(several)?;
    place.copy_from_slice(padded.as_bytes());
    Ok(program)
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, act: "written", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(folder: &Path) -> Options {
        Options {
            ramdisk: folder.into(),
            key: folder.join("db.key"),
            certificate: folder.join("db.crt"),
            shim: None,
            words: "underlay.mode=discover".into(),
        }
    }

    #[test]
    fn the_line_goes_into_the_one_place_for_it() {
        let path = Path::new("boot.efi");
        let program = format!("MZ{}tail", iso::placeholder()).into_bytes();
        let made = with_line(program.clone(), "underlay.mode=discover", path).unwrap();
        assert_eq!(made.len(), program.len());
        assert_eq!(made, format!("MZ{:<LINE$}tail", "underlay.mode=discover").into_bytes());
        for bad in [b"MZ".to_vec(), [&program[..], &program].concat(), program[..600].to_vec()] {
            assert!(matches!(with_line(bad, "x", path), Err(Error::Places { .. })));
        }
        assert!(matches!(with_line(program, &"x".repeat(LINE + 1), path), Err(Error::Line(_))));
    }

    #[test]
    fn what_cannot_be_signed_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let error = sign(&options(folder.path())).unwrap_err();
        assert!(matches!(error, Error::File { act: "read", .. }), "{error}");
        fs::write(folder.path().join(PROGRAM), iso::placeholder()).unwrap();
        let error = sign(&options(folder.path())).unwrap_err();
        assert!(matches!(error, Error::Failed(_) | Error::NoProgram), "there is no key: {error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
