//! From package and binary to `vmlinuz`, `initrd` and `manifest.json` in a folder, with the `agent` itself for machines that
//! are adopted.
//!
//! The package is read twice: once to learn what every module is, once to take those that were chosen; holding a whole
//! kernel in memory would take half a gigabyte. Modules are stored uncompressed and the archive as a whole is
//! compressed, with zstd where the kernel's configuration says it can read that, else with gzip.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    cpio, deb,
    firmware::{self, Firmware},
    modinfo::{self, Modinfo},
    modules::{self, All},
    uki,
};

/// Kernel and initramfs together must stay below this many bytes.
pub const MAX_TOTAL: u64 = 60_000_000;
/// The largest module, uncompressed.
const MAX_MODULE: u64 = 64 << 20;

/// What to build from.
#[derive(Clone, Debug)]
pub struct Options {
    /// A Debian kernel package, `linux-image-*.deb`.
    pub kernel_deb: PathBuf,
    /// Debian packages with firmware for the drivers (`firmware-*.deb`).
    pub firmware_debs: Vec<PathBuf>,
    /// Debian package with systemd's EFI stub (`systemd-boot-efi_*.deb`), for `boot.efi`.
    pub stub_deb: Option<PathBuf>,
    /// The static agent binary.
    pub agent: PathBuf,
    /// Folder for the files; made if it is not there.
    pub out: PathBuf,
}

/// What was built; also the contents of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Built {
    /// Version of the kernel, `uname -r`.
    pub kernel_release: String,
    /// Version of the program that built it.
    pub builder_version: &'static str,
    /// How the initramfs is compressed, "zstd" or "gzip".
    pub compression: &'static str,
    /// Names of the modules in it.
    pub modules: BTreeSet<String>,
    /// Firmware for them.
    pub firmware: Firmware,
    /// The kernel.
    pub vmlinuz: Made,
    /// The initramfs.
    pub initrd: Made,
    /// The agent in it.
    pub agent: Made,
    /// Both in one EFI program, where a stub was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uki: Option<Made>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Bytes.
    pub size: u64,
    /// In hex.
    pub sha256: String,
}

/// No ramdisk was built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package cannot be read.
    #[error("the kernel package cannot be used")]
    Package(#[source] deb::Error),
    /// A firmware package cannot be read.
    #[error("a firmware package cannot be used")]
    FirmwarePackage(#[source] deb::Error),
    /// There is a stub, and no EFI program can be made with it.
    #[error("boot.efi cannot be made")]
    Uki(#[source] uki::Error),
    /// It holds no kernel.
    #[error("the package has no boot/vmlinuz-*; is it a linux-image package (not a metapackage)?")]
    NoKernel,
    /// The agent cannot be read.
    #[error("{} cannot be read", .path.display())]
    ReadAgent {
        /// The binary.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The agent would not start as the first process.
    #[error("{} is not a static ELF program; build it with scripts/agent.sh", .path.display())]
    NotStatic {
        /// The binary.
        path: PathBuf,
    },
    /// A module is broken.
    #[error("the module {path} cannot be unpacked")]
    Module {
        /// Path in the package.
        path: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// A result cannot be written.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// More than a firmware should have to load.
    #[error("kernel and initramfs together have {0} bytes, more than {MAX_TOTAL}")]
    TooLarge(u64),
}

/// What the first reading of the package brings.
#[derive(Default)]
struct Package {
    release: String,
    kernel: Vec<u8>,
    config: String,
    modules: All,
    broken: Option<Error>,
}

/// Builds the files; a file is complete or not there under its name.
pub fn build(options: &Options) -> Result<Built, Error> {
    let agent = read_agent(&options.agent)?;
    let package = read_package(&options.kernel_deb)?;
    let chosen = modules::choose(&package.modules);
    let files = read_modules(&options.kernel_deb, &package, &chosen)?;
    let (blobs, firmware) =
        firmware::take(&options.firmware_debs, &package.modules, &chosen).map_err(Error::FirmwarePackage)?;
    let zstd = package.config.lines().any(|line| line == "CONFIG_RD_ZSTD=y");
    let contents = Contents { chosen: &chosen, modules: &files, firmware: &blobs, agent: &agent };
    let initrd = initramfs(&package, &contents, zstd).map_err(writing(&options.out.join("initrd")))?;
    let total = (package.kernel.len() + initrd.len()) as u64;
    if total > MAX_TOTAL {
        return Err(Error::TooLarge(total));
    }
    let program = match &options.stub_deb {
        Some(deb) => {
            let stub = uki::stub(deb).map_err(Error::Uki)?;
            Some(uki::make(&stub, &package.release, &package.kernel, &initrd).map_err(Error::Uki)?)
        }
        None => None,
    };
    let built = Built {
        kernel_release: package.release,
        builder_version: env!("CARGO_PKG_VERSION"),
        compression: if zstd { "zstd" } else { "gzip" },
        modules: chosen,
        firmware,
        vmlinuz: made(&package.kernel),
        initrd: made(&initrd),
        agent: made(&agent),
        uki: program.as_deref().map(made),
    };
    fs::create_dir_all(&options.out).map_err(writing(&options.out))?;
    put(&options.out.join("vmlinuz"), &package.kernel)?;
    put(&options.out.join("initrd"), &initrd)?;
    put(&options.out.join("agent"), &agent)?;
    if let Some(program) = &program {
        put(&options.out.join("boot.efi"), program)?;
    }
    let manifest =
        serde_json::to_string_pretty(&built).map_err(io::Error::other).map_err(writing(&options.out))?;
    put(&options.out.join("manifest.json"), format!("{manifest}\n").as_bytes())?;
    Ok(built)
}

fn read_agent(path: &Path) -> Result<Vec<u8>, Error> {
    let agent = fs::read(path).map_err(|source| Error::ReadAgent { path: path.to_owned(), source })?;
    // An interpreter (the dynamic linker) is named in a static program's file nowhere; in a dynamic one near its start.
    let dynamic =
        agent.iter().take(4096).copied().collect::<Vec<u8>>().windows(8).any(|window| window == b"/ld-linu");
    if !agent.starts_with(b"\x7fELF") || dynamic {
        return Err(Error::NotStatic { path: path.to_owned() });
    }
    Ok(agent)
}

fn read_package(path: &Path) -> Result<Package, Error> {
    let mut package = Package::default();
    let wanted = |path: &str| {
        path.starts_with("boot/vmlinuz-") || path.starts_with("boot/config-") || module_path(path).is_some()
    };
    deb::files(path, wanted, |path, bytes| {
        if let Some(release) = path.strip_prefix("boot/vmlinuz-") {
            package.release = release.to_owned();
            package.kernel = bytes;
        } else if path.starts_with("boot/config-") {
            package.config = String::from_utf8_lossy(&bytes).into_owned();
        } else if let Some((_, file)) = module_path(path) {
            match uncompressed(path, bytes) {
                Ok(elf) => learn(&mut package.modules, file, modinfo::read(&elf)),
                Err(error) => package.broken = Some(error),
            }
        }
    })
    .map_err(Error::Package)?;
    match package.broken.take() {
        Some(error) => Err(error),
        None if package.kernel.is_empty() => Err(Error::NoKernel),
        None => Ok(package),
    }
}

fn learn(modules: &mut All, file: &str, info: Option<Modinfo>) {
    if let Some(info) = info {
        modules.insert(info.name.clone(), (file.to_owned(), info));
    }
}

/// The bytes of the chosen modules, by path below the release's folder, in order of path.
fn read_modules(
    path: &Path,
    package: &Package,
    chosen: &BTreeSet<String>,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let paths: BTreeSet<&str> =
        chosen.iter().filter_map(|name| package.modules.get(name)).map(|(path, _)| path.as_str()).collect();
    let wanted = |path: &str| module_path(path).is_some_and(|(_, file)| paths.contains(file));
    let mut found = Vec::new();
    deb::files(path, wanted, |path, bytes| {
        if let Some((_, file)) = module_path(path) {
            found.push(uncompressed(path, bytes).map(|elf| (file.to_owned(), elf)));
        }
    })
    .map_err(Error::Package)?;
    let mut found: Vec<(String, Vec<u8>)> = found.into_iter().collect::<Result<_, _>>()?;
    found.sort();
    Ok(found)
}

/// `[usr/]lib/modules/RELEASE/kernel/.../x.ko[.xz|.zst]` as release and `kernel/.../x.ko`.
fn module_path(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix("usr/").unwrap_or(path).strip_prefix("lib/modules/")?;
    let (release, file) = path.split_once('/')?;
    let file = file.strip_suffix(".xz").or_else(|| file.strip_suffix(".zst")).unwrap_or(file);
    file.ends_with(".ko").then_some((release, file))
}

fn uncompressed(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Module { path: path.to_owned(), source };
    let reader: Box<dyn Read> = match path.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(io::Cursor::new(bytes))),
        Some("zst") => Box::new(zstd::Decoder::new(io::Cursor::new(bytes)).map_err(failed)?),
        _ => return Ok(bytes),
    };
    let mut plain = Vec::new();
    reader.take(MAX_MODULE).read_to_end(&mut plain).map_err(failed)?;
    Ok(plain)
}

/// What goes into the initramfs.
struct Contents<'a> {
    chosen: &'a BTreeSet<String>,
    modules: &'a [(String, Vec<u8>)],
    firmware: &'a firmware::Files,
    agent: &'a [u8],
}

fn initramfs(package: &Package, contents: &Contents<'_>, zstd: bool) -> io::Result<Vec<u8>> {
    let Contents { chosen, modules: files, firmware, agent } = *contents;
    let mut archive = cpio::Writer::new(Vec::new());
    for folder in ["dev", "proc", "sys", "tmp"] {
        archive.folder(folder)?;
    }
    // The kernel opens this for the first process before anything is mounted.
    archive.device("dev/console", 0o600, (5, 1))?;
    archive.file("init", 0o755, agent)?;
    let root = format!("lib/modules/{}", package.release);
    let tables = [
        ("modules.alias", modules::aliases(&package.modules, chosen)),
        ("modules.always", modules::always(chosen)),
        ("modules.dep", modules::dependencies(&package.modules, chosen)),
    ];
    let mut folders: BTreeSet<String> = ["lib", "lib/modules", &root].map(str::to_owned).into();
    for (path, _) in files {
        let parts = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        folders.extend(parts.map(|part| format!("{root}/{part}")));
    }
    for path in firmware.keys() {
        folders.insert("lib/firmware".into());
        let parts = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        folders.extend(parts.map(|part| format!("lib/firmware/{part}")));
    }
    for folder in &folders {
        archive.folder(folder)?;
    }
    for (name, text) in tables {
        archive.file(&format!("{root}/{name}"), 0o644, text.as_bytes())?;
    }
    for (path, bytes) in files {
        archive.file(&format!("{root}/{path}"), 0o644, bytes)?;
    }
    for (path, bytes) in firmware {
        archive.file(&format!("lib/firmware/{path}"), 0o644, bytes)?;
    }
    compress(&archive.finish()?, zstd)
}

fn compress(archive: &[u8], zstd: bool) -> io::Result<Vec<u8>> {
    if zstd {
        return zstd::encode_all(archive, 19);
    }
    let mut gzip = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
    gzip.write_all(archive)?;
    gzip.finish()
}

fn made(bytes: &[u8]) -> Made {
    Made { size: bytes.len() as u64, sha256: format!("{:x}", Sha256::digest(bytes)) }
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path, source }
}

/// Writes beside the place, then renames.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(writing(path))
}
