//! The documentation in docs/provider is what the schemas and examples/ say today.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use terraform_provider_underlay::Underlay;

#[test]
fn the_documentation_is_not_stale() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rendered = tfplugin::docs::render(&Underlay, &repository.join("examples"));
    let rendered: BTreeMap<_, _> = rendered.into_iter().collect();
    let written = files(&repository.join("docs/provider"));
    let stale: Vec<_> = rendered
        .keys()
        .chain(written.keys())
        .filter(|path| rendered.get(*path) != written.get(*path))
        .collect();
    assert!(stale.is_empty(), "these pages are stale, run make docs: {stale:?}");
}

fn files(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), text);
            }
        }
    }
    found
}

#[test]
fn every_resource_and_data_source_has_an_example() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let rendered = tfplugin::docs::render(&Underlay, &examples);
    let bare: Vec<_> = rendered
        .iter()
        .filter(|(_, page)| !page.contains("## Example Usage"))
        .map(|(path, _)| path)
        .collect();
    assert!(bare.is_empty(), "no example: {bare:?}");
}

#[test]
fn the_quickstart_is_what_a_person_would_write() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart/main.tf");
    let lines = fs::read_to_string(file).unwrap().lines().count();
    assert!(lines <= 40, "{lines} lines");
}
