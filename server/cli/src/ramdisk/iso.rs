//! One image that boots the agent from a CD or a USB stick, under BIOS and UEFI: GRUB, the kernel and the initramfs.
//!
//! GRUB's own grub-mkrescue lays it out (El Torito for CDs, a partition table of both kinds for sticks), because that
//! layout is full of what firmware was seen to want. No shell is involved.
//!
//! The kernel's line ends in a place of fixed size. In the image of a server it holds [`placeholder`], which the server
//! overlays with the line of one host while its BMC reads the image; in that of a stick, the line itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Of the place that the line is written to. The kernel takes 2047 bytes (x86), and has more on its line.
pub const LINE: usize = 1024;
/// What a placeholder begins with; nothing else in an image may hold it.
pub const MARKER: &str = "underlay.placeholder=7f3f2a1d5f0c4c54a9c3d1f6b8e02d47";
/// The programs that are run, or that grub-mkrescue runs, and the packages they are in.
const PROGRAMS: [(&str, &str); 3] =
    [("grub-mkrescue", "grub-common"), ("xorriso", "xorriso"), ("mformat", "mtools")];
/// Where GRUB for each firmware is, and the packages.
const PLATFORMS: [(&str, &str); 2] =
    [("/usr/lib/grub/i386-pc", "grub-pc-bin"), ("/usr/lib/grub/x86_64-efi", "grub-efi-amd64-bin")];
/// All that GRUB needs here; the rest of its modules stays out. grub-mkrescue has every partition map loaded, and GRUB
/// complains of each that is not there.
const MODULES: &str = "normal linux iso9660 part_gpt part_msdos part_acorn part_amiga part_apple part_bsd part_dfly \
                       part_dvh part_plan part_sun part_sunpc search search_fs_uuid search_fs_file configfile echo \
                       sleep reboot test minicmd all_video";

/// What to make it from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder with `vmlinuz` and `initrd`.
    pub ramdisk: PathBuf,
    /// The image.
    pub output: PathBuf,
    /// What the kernel's line ends in.
    pub line: Line,
}

/// The end of the kernel's line.
#[derive(Clone, Debug)]
pub enum Line {
    /// To be filled in by a server.
    Placeholder,
    /// These words.
    Words(String),
}

/// No image was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Programs are not installed.
    #[error("making a boot image needs programs that are not here; install: {}", .0.join(" "))]
    Missing(Vec<&'static str>),
    /// The line is too long, or GRUB would read it as something else.
    #[error("the kernel line cannot be written: {0}")]
    Line(&'static str),
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
    /// GRUB's program does not start.
    #[error("grub-mkrescue cannot be run")]
    Run(#[source] io::Error),
    /// GRUB's program failed.
    #[error("grub-mkrescue failed: {0}")]
    Failed(String),
}

/// Makes the image; it is complete or not there under its name. Returns its size.
///
/// # Errors
/// [`Error::Missing`] where programs are; otherwise what went wrong.
pub fn make(options: &Options) -> Result<u64, Error> {
    let missing = missing();
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    let end = match &options.line {
        Line::Placeholder => placeholder(),
        Line::Words(words) => padded(words)?,
    };
    let folder = options.output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Beside the image: /tmp may be memory.
    let work = tempfile::TempDir::with_prefix_in(".boot-iso-", folder).map_err(writing(folder))?;
    let (tree, made) = (work.path().join("tree"), work.path().join("boot.iso"));
    let grub = tree.join("boot/grub");
    fs::create_dir_all(&grub).map_err(writing(&grub))?;
    for name in ["vmlinuz", "initrd"] {
        let from = options.ramdisk.join(name);
        fs::copy(&from, tree.join(name)).map_err(|source| Error::File { path: from, act: "read", source })?;
    }
    let menu = grub.join("grub.cfg");
    fs::write(&menu, menu_of(&end)).map_err(writing(&menu))?;
    let ran = Command::new("grub-mkrescue")
        .arg("--output")
        .arg(&made)
        .args(["--compress=no", "--fonts=", "--locales=", "--themes="])
        .arg(format!("--install-modules={MODULES}"))
        .arg(&tree)
        .args(["--", "-volid", "UNDERLAY"])
        .env("TMPDIR", work.path())
        .env("LC_ALL", "C")
        .output()
        .map_err(Error::Run)?;
    if !ran.status.success() {
        return Err(Error::Failed(said(&ran)));
    }
    let size = fs::metadata(&made).map_err(writing(&made))?.len();
    fs::rename(&made, &options.output).map_err(writing(&options.output))?;
    Ok(size)
}

/// Packages of which something is not there.
pub fn missing() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let programs = PROGRAMS.into_iter().filter(|(program, _)| !is_there(program));
    let platforms = PLATFORMS.into_iter().filter(|(folder, _)| !Path::new(folder).is_dir());
    programs.chain(platforms).map(|(_, package)| package).collect()
}

/// What the place holds in an image that a server overlays.
pub fn placeholder() -> String {
    format!("{MARKER:_<LINE$}")
}

/// Words for that place. GRUB takes runs of blanks for one.
pub(super) fn padded(words: &str) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .,:/=_[]-".contains(c);
    if !words.chars().all(plain) {
        return Err(Error::Line("it has characters that mean something to GRUB"));
    }
    if words.len() > LINE {
        return Err(Error::Line("it is longer than 1024 bytes"));
    }
    Ok(format!("{words:<LINE$}"))
}

/// What cannot be started is tried again from the beginning: nobody stands in front of it.
fn menu_of(end: &str) -> String {
    format!(
        "set default=0\nset fallback=1\nset timeout=0\n\
         if [ \"$grub_platform\" = efi ]; then insmod all_video; fi\n\
         menuentry \"underlay agent\" {{\n\
         \techo \"underlay: loading the agent\"\n\
         \tlinux /vmlinuz console=tty0 console=ttyS0,115200 quiet panic=30 {end}\n\
         \tinitrd /initrd\n\
         }}\n\
         menuentry \"again\" {{\n\
         \techo \"underlay: the agent cannot be loaded; starting over\"\n\
         \tsleep 10\n\
         \treboot\n\
         }}\n"
    )
}

/// The last that a program said.
pub(super) fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    last.into_iter().rev().collect::<Vec<_>>().join("; ").chars().take(400).collect()
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, act: "written", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_the_line_has_one_size_whatever_is_in_it() {
        let words = padded("underlay.mode=discover underlay.url=http://[fd00::1]:7480").unwrap();
        assert_eq!((words.len(), placeholder().len()), (LINE, LINE));
        assert_eq!(menu_of(&words).len(), menu_of(&placeholder()).len());
        assert_eq!(menu_of(&placeholder()).matches(MARKER).count(), 1);
    }

    #[test]
    fn words_that_grub_would_read_otherwise_are_refused() {
        for bad in ["a;reboot", "a\nboot", "a$b", "a{b", "a'b", "a\"b", "a#b", "a&b", "a\\b", "ä"] {
            assert!(matches!(padded(bad), Err(Error::Line(_))), "{bad}");
        }
        assert!(matches!(padded(&"x".repeat(LINE + 1)), Err(Error::Line(_))));
    }

    #[test]
    fn an_image_of_nothing_is_an_error_that_names_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            ramdisk: folder.path().join("none"),
            output: folder.path().join("boot.iso"),
            line: Line::Placeholder,
        };
        let error = make(&options).unwrap_err().to_string();
        assert!(error.contains("none/vmlinuz cannot be read") || error.contains("install: "), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn the_image_holds_the_placeholder_once_and_a_stick_holds_its_line() {
        if !missing().is_empty() {
            assert!(std::env::var_os("CI").is_none(), "missing: {:?}", missing());
            eprintln!("skipped: {:?} are not installed", missing());
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["vmlinuz", "initrd"] {
            fs::write(folder.path().join(name), [0x55; 4096]).unwrap();
        }
        let output = folder.path().join("boot.iso");
        let mut options = Options { ramdisk: folder.path().into(), output, line: Line::Placeholder };
        let size = make(&options).unwrap();
        let image = fs::read(&options.output).unwrap();
        assert_eq!(image.len() as u64, size);
        let count =
            |image: &[u8], text: &str| image.windows(text.len()).filter(|w| *w == text.as_bytes()).count();
        assert_eq!((count(&image, MARKER), count(&image, &placeholder())), (1, 1));
        // El Torito's volume descriptor, and the boot signature of a disk.
        assert_eq!((&image[0x8800..0x8807], &image[510..512]), (&b"\0CD001\x01"[..], &[0x55, 0xaa][..]));
        options.line = Line::Words("underlay.mode=discover".into());
        make(&options).unwrap();
        let image = fs::read(&options.output).unwrap();
        assert_eq!((count(&image, MARKER), count(&image, "panic=30 underlay.mode=discover ")), (0, 1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "and nothing else is left behind");
    }
}
