//! The attributes of the machine that took this system as it stands: files beneath `/etc`, written as the server says, and taken
//! away when it says no more.
//!
//! Only what this wrote is ever written over or taken away: which files are its own stands in a list, on the disk before the first
//! of them is. A file of somebody else's in the way refuses all of them. What is in them is in no log.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use underlay_core::resident::{Written, forbids};
use underlay_proto::v1::{resident_order::Attributes, resident_order::File};

use super::{
    keep::{self, failed, make_folder, write_as},
    places::Places,
};

/// The most files, and bytes in all of them, that are written.
const FILES: usize = 512;
const BYTES: usize = 1 << 20;
/// The most characters in which a failure is told; in bytes the server takes 256.
const LONGEST: usize = 200;

/// They cannot be written. The words are for whoever wrote the profile, and hold nothing of what is in the files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an order.
    #[error("{0}")]
    Order(String),
    /// Somebody else's.
    #[error("{0} is there already, and was not written by underlay")]
    NotOurs(String),
    /// A file.
    #[error(transparent)]
    Keep(#[from] keep::Error),
}

/// What is written, as it stands in the list.
#[derive(Debug, Default, PartialEq, Eq)]
struct List {
    fingerprint: String,
    paths: BTreeSet<String>,
}

impl List {
    /// A line for the fingerprint, then one for each path: none has a line's end in it.
    fn text(&self) -> String {
        let paths: String = self.paths.iter().map(|path| format!("{path}\n")).collect();
        format!("{}\n{paths}", self.fingerprint)
    }

    fn read(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        Self { fingerprint: lines.next().unwrap_or_default(), paths: lines.collect() }
    }
}

/// What is written by now.
///
/// # Errors
/// The list cannot be read.
pub fn written(places: &Places) -> Result<Written, Error> {
    Ok(Written { fingerprint: list(places)?.fingerprint, failure: None })
}

fn list(places: &Places) -> Result<List, Error> {
    let path = places.attributes();
    match fs::read_to_string(&path) {
        Ok(text) => Ok(List::read(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(List::default()),
        Err(error) => Err(failed("reading", &path)(error).into()),
    }
}

/// Writes them in place of those that were written before, and says what is there then.
pub fn apply(places: &Places, order: &Attributes) -> Written {
    match put(places, order) {
        Ok(()) => Written { fingerprint: order.fingerprint.clone(), failure: None },
        Err(error) => {
            let why = crate::deploy::error::chain(&error);
            let why = why.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            Written { fingerprint: order.fingerprint.clone(), failure: Some(why) }
        }
    }
}

/// Takes all of them away.
///
/// # Errors
/// One cannot be removed; doing it again goes on.
pub fn remove(places: &Places) -> Result<(), Error> {
    put(places, &Attributes::default())
}

fn put(places: &Places, order: &Attributes) -> Result<(), Error> {
    check(order)?;
    let before = list(places)?;
    let wanted: BTreeSet<String> = order.files.iter().map(|file| file.path.clone()).collect();
    for path in wanted.difference(&before.paths) {
        if fs::symlink_metadata(places.file(path)).is_ok() {
            return Err(Error::NotOurs(path.clone()));
        }
    }
    let owners = order.files.iter().map(|file| owner(places, file)).collect::<Result<Vec<_>, _>>()?;
    // What comes is ours from here on, what goes is ours still: whatever stops us, the next attempt knows of both.
    let both = before.paths.union(&wanted).cloned().collect();
    if wanted != before.paths || before.fingerprint != order.fingerprint {
        keep_list(places, &List { fingerprint: String::new(), paths: both })?;
    }
    for (file, owner) in order.files.iter().zip(owners) {
        place(places, file, owner)?;
    }
    for path in before.paths.difference(&wanted) {
        take_away(places, path)?;
    }
    keep_list(places, &List { fingerprint: order.fingerprint.clone(), paths: wanted })
}

/// The list; none where there is nothing to list.
fn keep_list(places: &Places, list: &List) -> Result<(), Error> {
    let path = places.attributes();
    if *list == List::default() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("removing", &path)(error).into())
            }
            _ => Ok(()),
        };
    }
    make_folder(&places.state_folder(), 0o700)?;
    Ok(keep::write(&path, 0o600, list.text().as_bytes())?)
}

fn check(order: &Attributes) -> Result<(), Error> {
    let size: usize = order.files.iter().map(|file| file.content.len()).sum();
    if order.files.len() > FILES || size > BYTES {
        return Err(Error::Order(format!("{} files of {size} bytes are too many", order.files.len())));
    }
    let mut seen = BTreeSet::new();
    for File { path, mode, .. } in &order.files {
        let is_clean = path.len() <= 512
            && !path.chars().any(char::is_control)
            && path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
        if !is_clean || !seen.insert(path) {
            return Err(Error::Order("a path makes no sense".into()));
        }
        if let Some(why) = forbids(path) {
            return Err(Error::Order(format!("{path}: {why}")));
        }
        if mode_of(mode).is_none() {
            return Err(Error::Order(format!("{path}: {mode:?} is no mode")));
        }
    }
    Ok(())
}

/// Permissions, without the bits that would give a file somebody's rights.
fn mode_of(text: &str) -> Option<u32> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && mode & 0o7000 == 0)
}

/// The numbers of `USER:GROUP`, as this system has them.
fn owner(places: &Places, file: &File) -> Result<(u32, u32), Error> {
    let (user, group) = file.owner.split_once(':').unwrap_or(("root", "root"));
    let number = |name: &str, table: PathBuf, what: &str| -> Result<u32, Error> {
        if let Some(number) = if name == "root" { Some(0) } else { name.parse().ok() } {
            return Ok(number);
        }
        let text = fs::read_to_string(&table).map_err(failed("reading", &table))?;
        let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = lines.find_map(|line| match line.as_slice() {
            [known, _, number, ..] if *known == name => number.parse().ok(),
            _ => None,
        });
        found.ok_or_else(|| Error::Order(format!("{}: this system has no {what} {name:?}", file.path)))
    };
    Ok((
        number(user, places.file("/etc/passwd"), "user")?,
        number(group, places.file("/etc/group"), "group")?,
    ))
}

/// Writes one, whole or not at all; a file that is as it should be is left.
fn place(places: &Places, file: &File, (user, group): (u32, u32)) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let path = places.file(&file.path);
    let mode = mode_of(&file.mode).unwrap_or(0o600);
    let is_same = fs::symlink_metadata(&path).is_ok_and(|meta| {
        meta.is_file()
            && meta.permissions().mode() & 0o7777 == mode
            && (meta.uid(), meta.gid()) == (user, group)
    }) && fs::read(&path).is_ok_and(|there| there == file.content);
    if is_same {
        return Ok(());
    }
    make_folders(&path)?;
    Ok(write_as(&path, 0o600, &file.content, |part| {
        // Its mode first: what is somebody else's may not be changed, with the few rights there are.
        fs::set_permissions(part, fs::Permissions::from_mode(mode))?;
        let meta = fs::symlink_metadata(part)?;
        if (meta.uid(), meta.gid()) == (user, group) { Ok(()) } else { chown(part, Some(user), Some(group)) }
    })?)
}

/// Makes the folders it lies in, for everybody to enter: the service's own umask would keep others out.
fn make_folders(path: &Path) -> Result<(), Error> {
    let missing: Vec<_> = path.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder).map_err(failed("making", folder))?;
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder, open).map_err(failed("making", folder))?;
    }
    Ok(())
}

fn take_away(places: &Places, path: &str) -> Result<(), Error> {
    let path = places.file(path);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing", &path)(error).into());
        }
        _ => {}
    }
    // Folders that nothing is in any more, but those that were there before us are seldom empty.
    let etc = places.file("/etc");
    let folders = path.ancestors().skip(1).take_while(|folder| *folder != etc && folder.starts_with(&etc));
    for folder in folders {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str, mode: &str) -> File {
        let (content, owner) = (content.as_bytes().to_vec(), String::new());
        // A test may not be root: whoever runs it owns what it writes.
        let own = format!("{}:{}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        File {
            path: path.into(),
            content,
            mode: mode.into(),
            owner: if owner.is_empty() { own } else { owner },
        }
    }

    fn order(fingerprint: &str, files: &[File]) -> Attributes {
        Attributes { fingerprint: fingerprint.into(), files: files.to_vec() }
    }

    fn system() -> (tempfile::TempDir, Places) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1234:1::/:/bin/sh\n")
            .unwrap();
        let places = Places::beneath(root.path());
        (root, places)
    }

    fn said(places: &Places, order: &Attributes) -> String {
        apply(places, order).failure.unwrap_or_default()
    }

    #[test]
    fn files_are_written_changed_and_taken_away_without_a_trace() {
        let (root, places) = system();
        let at = |path: &str| root.path().join(path);
        let first = order(
            "a",
            &[
                file("/etc/underlay/secrets.json", "{}", "0600"),
                file("/etc/app/deep/app.conf", "one", "0644"),
            ],
        );
        assert_eq!(apply(&places, &first), Written { fingerprint: "a".into(), failure: None });
        let mode = |path: &str| fs::metadata(at(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("etc/underlay/secrets.json"), mode("etc/app/deep/app.conf")), (0o600, 0o644));
        assert_eq!(written(&places).unwrap().fingerprint, "a");

        let second = order("b", &[file("/etc/app/deep/app.conf", "two", "0640")]);
        assert_eq!(said(&places, &second), "");
        assert_eq!(fs::read_to_string(at("etc/app/deep/app.conf")).unwrap(), "two");
        assert!(!at("etc/underlay").exists(), "what is no more given is taken away");

        assert_eq!(said(&places, &Attributes::default()), "");
        assert_eq!(written(&places).unwrap(), Written::default());
        assert!(!at("etc/app").exists() && !places.attributes().exists());
        assert!(at("etc/passwd").exists());
    }

    #[test]
    fn what_somebody_else_wrote_is_neither_written_over_nor_taken_away() {
        let (root, places) = system();
        fs::write(root.path().join("etc/mine"), "mine").unwrap();
        std::os::unix::fs::symlink("/dev/null", root.path().join("etc/link")).unwrap();
        for path in ["/etc/mine", "/etc/link"] {
            let order = order("a", &[file("/etc/new", "1", "0644"), file(path, "theirs", "0644")]);
            assert!(said(&places, &order).contains("was not written by underlay"));
            assert!(!root.path().join("etc/new").exists(), "all or none");
        }
        remove(&places).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("etc/mine")).unwrap(), "mine");
    }

    #[test]
    fn orders_that_make_no_sense_are_refused_before_anything_is_written() {
        let (root, places) = system();
        let mut foreign = file("/etc/a", "", "0644");
        foreign.owner = "nobody-here:root".into();
        let bad = [
            file("/usr/bin/a", "", "0644"),
            file("/etc/../usr/a", "", "0644"),
            file("/etc/a\n/etc/passwd", "", "0644"),
            file("/etc/underlay/agent.conf", "", "0644"),
            file("/etc/a", "", "4755"),
            file("/etc/a", "", "rw"),
            file("/etc/a", &"x".repeat(BYTES + 1), "0644"),
            foreign,
        ];
        for file in bad {
            let said = said(&places, &order("a", &[file]));
            assert!(!said.is_empty() && said.len() < 300, "{said}");
        }
        assert_eq!(fs::read_dir(root.path().join("etc")).unwrap().count(), 1, "only passwd");
        assert_eq!(owner(&places, &File { owner: "app:0".into(), ..File::default() }).unwrap(), (1234, 0));
    }

    #[test]
    fn an_attempt_that_was_cut_short_is_known_to_the_next() {
        let (root, places) = system();
        let paths = ["/etc/half".to_owned(), "/etc/never".to_owned()].into();
        keep_list(&places, &List { fingerprint: String::new(), paths }).unwrap();
        fs::write(root.path().join("etc/half"), "half").unwrap();
        assert_eq!(written(&places).unwrap().fingerprint, "", "none of it counts");
        assert_eq!(said(&places, &order("b", &[file("/etc/half", "whole", "0644")])), "");
        assert_eq!(fs::read_to_string(root.path().join("etc/half")).unwrap(), "whole");
        remove(&places).unwrap();
        assert!(!root.path().join("etc/half").exists());
    }

    #[test]
    fn a_file_that_is_as_it_should_be_is_left() {
        use std::os::unix::fs::MetadataExt;
        let (root, places) = system();
        let order = order("a", &[file("/etc/a", "1", "0644")]);
        assert_eq!(said(&places, &order), "");
        let inode = || fs::metadata(root.path().join("etc/a")).unwrap().ino();
        let before = inode();
        assert_eq!(said(&places, &order), "");
        assert_eq!(inode(), before);
    }
}
