//! Messages of `corpus/`, and what becomes of them when bytes are lost, changed, doubled or mixed up.
//!
//! They are written by hand after what firmware, iPXE, curl and BMCs send, option by option; they are no recordings.
//!
//! Each parser has a folder there and a property test that feeds it from here, next to one that feeds it noise.

use std::path::PathBuf;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Every entry of a folder of the corpus, as it was sent.
pub(crate) fn entries(folder: &str) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let files = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", path.display());
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// One thing that happens to bytes.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Double(Index, Index),
    End(Index),
    Other(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at(), prop_oneof![Just(0), Just(1), Just(127), Just(255), any::<u8>()])
            .prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), at()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Edit::Double(from, to)),
        at().prop_map(Edit::End),
        (at(), at()).prop_map(|(other, at)| Edit::Other(other, at)),
    ]
}

/// Entries of a folder, as they are or after some edits; never longer than a few kilobytes.
pub(crate) fn edited(folder: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let entries = entries(folder);
    (any::<Index>(), vec(edit(), 0..8)).prop_map(move |(which, edits)| {
        let mut bytes = which.get(&entries).clone();
        for edit in &edits {
            apply(edit, &mut bytes, &entries);
            bytes.truncate(8 << 10);
        }
        bytes
    })
}

fn apply(edit: &Edit, bytes: &mut Vec<u8>, entries: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let size = bytes.len();
    let span = |a: &Index, b: &Index| {
        let (a, b) = (a.index(size), b.index(size));
        a.min(b)..a.max(b)
    };
    match edit {
        Edit::Flip(at, bit) => bytes[at.index(size)] ^= 1 << bit,
        Edit::Set(at, byte) => bytes[at.index(size)] = *byte,
        Edit::Insert(at, more) => drop(bytes.splice(at.index(size)..at.index(size), more.clone())),
        Edit::Cut(from, to) => drop(bytes.drain(span(from, to))),
        Edit::Double(from, to) => bytes.extend_from_within(span(from, to)),
        Edit::End(at) => bytes.truncate(at.index(size)),
        Edit::Other(other, at) => {
            let other = other.get(entries);
            bytes.truncate(at.index(size));
            bytes.extend(other.iter().skip(at.index(size)));
        }
    }
}
