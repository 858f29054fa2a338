//! Which crate of ours may know which: the dependency graph of the workspace equals `arrows.txt`.
//!
//! Only dependencies on crates of this workspace count, of a build and of tests alike; third-party ones are
//! `deny.toml`'s. A new arrow is a decision about the design: change `arrows.txt` in the commit that draws it.

use std::{collections::BTreeMap, collections::BTreeSet, fmt::Write, path::Path, process::Command};

use serde_json::Value;

/// This crate tests all others together, so it may know them all.
const KNOWS_ALL: &str = "underlay-tests";

#[test]
fn the_dependency_graph_is_the_one_in_arrows_txt() {
    let drawn = include_str!("../arrows.txt");
    let wanted: BTreeSet<&str> =
        drawn.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let found = arrows(&metadata());
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();

    let mut diff = String::new();
    for line in wanted.union(&found) {
        match (wanted.contains(line), found.contains(line)) {
            (true, false) => writeln!(diff, "  - {line}").expect("a String takes all"),
            (false, true) => writeln!(diff, "  + {line}").expect("a String takes all"),
            _ => {}
        }
    }
    assert!(
        diff.is_empty(),
        "the crates depend on each other otherwise than tests/arrows.txt says (- drawn, + found):\n{diff}"
    );
}

/// A line for each crate, with what it knows of ours: `name -> a, b` or `name -> nothing`.
fn arrows(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages");
    assert!(packages.len() > 5, "cargo metadata lists only {} packages of this workspace", packages.len());
    let text = |value: &Value| value.as_str().expect("a name is a string").to_owned();
    let known: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let mut lines = Vec::new();
    for package in packages {
        let name = text(&package["name"]);
        if name == KNOWS_ALL {
            continue;
        }
        let mut to: BTreeMap<String, bool> = BTreeMap::new();
        for dependency in package["dependencies"].as_array().expect("a package lists dependencies") {
            let other = text(&dependency["name"]);
            if known.contains(&other) && other != name {
                *to.entry(other).or_default() |= dependency["kind"] != "dev";
            }
        }
        lines.push(line(&name, &to));
    }
    lines
}

fn line(name: &str, to: &BTreeMap<String, bool>) -> String {
    let ends: Vec<String> = to
        .iter()
        .map(|(other, outside_tests)| if *outside_tests { other.clone() } else { format!("{other} (tests)") })
        .collect();
    format!("{name} -> {}", if ends.is_empty() { "nothing".to_owned() } else { ends.join(", ") })
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}
