//! What every source file has: a header that says what it is, and a size that can be read in one go.
//!
//! Test files and inline test modules do not count towards a file's size. The median is printed, and held to a bound
//! that only a change of habit would break.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// No file has more lines of code than this.
const LONGEST: usize = 800;
/// Half of the files are shorter than this.
const MEDIAN: usize = 150;

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|source| !opens_with_a_header(&source.text))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "these files do not open with a //! header: {silent:#?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut lengths: Vec<(usize, PathBuf)> = sources()
        .into_iter()
        .filter(|source| !source.is_test())
        .map(|source| (code_lines(&source.text), source.path))
        .collect();
    lengths.sort();
    let (longest, median) = (lengths.last().expect("there are files"), &lengths[lengths.len() / 2]);
    println!(
        "{} files, median {} lines, longest {} ({})",
        lengths.len(),
        median.0,
        longest.0,
        longest.1.display()
    );
    assert!(longest.0 <= LONGEST, "{} has {} lines without its tests", longest.1.display(), longest.0);
    assert!(median.0 <= MEDIAN, "the median file has {} lines without its tests", median.0);
}

#[test]
fn only_one_file_has_unsafe_code() {
    let unsafe_word = concat!("uns", "afe");
    let allows = format!("allow({unsafe_word}_code)");
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.text.contains(&allows))
        .map(|source| source.path.display().to_string())
        .collect();
    assert_eq!(found, ["server/agent/src/sys/mod.rs"], "the others are denied it by the workspace's lints");
}

struct Source {
    /// Relative to the repository.
    path: PathBuf,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        let named = |name: &str| self.path.components().any(|part| part.as_os_str() == name);
        ["tests", "tests.rs", "benches", "examples", "fixture.rs"].into_iter().any(named)
    }
}

fn opens_with_a_header(text: &str) -> bool {
    text.lines().find(|line| !line.starts_with("#!")).is_some_and(|line| line.starts_with("//!"))
}

/// Lines before the inline test module, which stands last in a file.
fn code_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(
        |pair| matches!(pair, [first, second] if *first == "#[cfg(test)]" && second.ends_with('{')),
    );
    tests.unwrap_or(lines.len())
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository");
    let mut found = Vec::new();
    walk(root, root, &mut found);
    assert!(found.len() > 100, "only {} source files found under {}", found.len(), root.display());
    found
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            // Trybuild's cases are fragments whose error messages count their lines.
            if name != "target" && name != "ui" && !name.starts_with('.') {
                walk(root, &path, found);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            found.push(Source { path: path.strip_prefix(root).expect("it lies within").to_owned(), text });
        }
    }
}
