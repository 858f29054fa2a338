//! What the documentation names exists: every path in backticks, every relative link; and each decision has its parts.
//!
//! `docs/provider` is generated and has a check of its own (`scripts/docs.sh --check`).

use std::{
    fs,
    path::{Path, PathBuf},
};

/// More does not fit on one screen.
const ONE_SCREEN: usize = 60;
/// What a decision record says, as headings.
const PARTS: [&str; 3] = ["## Context", "## Choice", "## What would change our mind"];

#[test]
fn every_path_that_the_documentation_names_exists() {
    let mut missing = Vec::new();
    let mut checked = 0;
    for document in documents() {
        for path in backticked(&document.text).filter(|text| is_repository_path(text)) {
            checked += 1;
            if !exists(path) {
                missing.push(format!("{}: `{path}`", document.name.display()));
            }
        }
    }
    assert!(checked > 40, "only {checked} paths were found in the documentation: the search is broken");
    assert!(missing.is_empty(), "these paths are named but do not exist: {missing:#?}");
}

#[test]
fn every_relative_link_resolves() {
    let mut broken = Vec::new();
    for document in documents() {
        let folder = document.name.parent().unwrap_or(Path::new("")).to_owned();
        for link in links(&document.text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let (path, anchor) =
                link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = repository().join(&folder).join(path);
            if !target.exists() {
                broken.push(format!("{}: {link}", document.name.display()));
            } else if let Some(anchor) = anchor
                && !anchors(&fs::read_to_string(&target).expect("a linked document is text"))
                    .contains(&anchor.to_owned())
            {
                broken.push(format!("{}: no heading for {link}", document.name.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere: {broken:#?}");
}

#[test]
fn the_readme_fits_on_one_screen() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!(lines <= ONE_SCREEN, "README.md has {lines} lines; what is more belongs into docs/");
}

#[test]
fn every_decision_says_what_would_change_our_mind() {
    let mut lacking = Vec::new();
    let records: Vec<_> =
        documents().into_iter().filter(|document| document.name.starts_with("docs/decisions")).collect();
    assert!(!records.is_empty(), "there are no decision records");
    for record in records {
        for part in PARTS.into_iter().filter(|part| !record.text.lines().any(|line| line == *part)) {
            lacking.push(format!("{}: {part}", record.name.display()));
        }
    }
    assert!(lacking.is_empty(), "these decision records lack a part: {lacking:#?}");
}

struct Document {
    /// Relative to the repository.
    name: PathBuf,
    text: String,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository")
}

fn read(name: &Path) -> String {
    fs::read_to_string(repository().join(name)).expect("a document of ours can be read")
}

/// What is written by hand: README.md, CONTRIBUTING.md and docs/.
fn documents() -> Vec<Document> {
    let mut names = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md")];
    for folder in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(repository().join(folder)).expect("the folder can be read") {
            let name = Path::new(folder).join(entry.expect("the folder can be read").file_name());
            if name.extension().is_some_and(|extension| extension == "md") {
                names.push(name);
            }
        }
    }
    names.into_iter().map(|name| Document { text: read(&name), name }).collect()
}

/// Inline code, outside of fenced blocks.
fn backticked(text: &str) -> impl Iterator<Item = &str> {
    outside_fences(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    outside_fences(text).flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
}

fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    })
}

/// The anchors of a document's headings, as forges make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = outside_fences(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

/// Does it start where our files lie? A word in capitals or angle brackets stands for a path that is yet to be made.
fn is_repository_path(text: &str) -> bool {
    const TOP: [&str; 8] =
        ["provider/", "server/", "proto/", "tests/", "examples/", "docs/", "scripts/", ".ci/"];
    const FILES: [&str; 6] =
        ["Cargo.toml", "Makefile", "README.md", "CONTRIBUTING.md", "LICENSE", "deny.toml"];
    const PLACEHOLDERS: [&str; 6] = ["<", "*", " ", "NOUN", "NAME", "NNNN"];
    let is_placeholder = PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder));
    FILES.contains(&text) || (!is_placeholder && TOP.iter().any(|top| text.starts_with(top)))
}

fn exists(path: &str) -> bool {
    repository().join(path).exists()
}
