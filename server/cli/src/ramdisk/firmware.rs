//! Firmware that the carried drivers ask the kernel for (`firmware=` in a module's facts), out of Debian's firmware
//! packages.
//!
//! A driver names every version it ever knew; a package has one of each as a rule. So what no package has is told, by
//! driver, and is an error only where a driver that names firmware finds none of it: its card would stay dead.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{deb, modules::All};

/// How many symbolic links are followed from a name to its file.
const LINKS: usize = 4;

/// Drivers that do their work without a file that they name: it is an update of what the card has, or for a card that is
/// not made any more.
const OPTIONAL: [&str; 6] = ["isci", "mlx5_core", "nvme", "r8169", "realtek", "tg3"];

/// Firmware by its path below `lib/firmware/`.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What became of the firmware that the drivers name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Firmware {
    /// Files that are in the ramdisk, below `lib/firmware/`.
    pub carried: BTreeSet<String>,
    /// Drivers that name firmware of which no package had any.
    pub without: BTreeSet<String>,
}

/// Takes what the `chosen` modules name out of `packages`.
pub(super) fn take(
    packages: &[PathBuf],
    all: &All,
    chosen: &BTreeSet<String>,
) -> Result<(Files, Firmware), deb::Error> {
    let of = |name: &String| all.get(name).map(|(_, info)| info.firmware.as_slice()).unwrap_or_default();
    let named: BTreeSet<&str> = chosen.iter().flat_map(of).map(String::as_str).collect();
    let mut files = Files::new();
    for package in packages {
        from_package(package, &named, &mut files)?;
    }
    let lacks = |name: &&String| {
        let wanted = of(name);
        !wanted.is_empty() && !wanted.iter().any(|file| files.contains_key(file))
    };
    let needs = |name: &&String| !OPTIONAL.contains(&name.as_str());
    let without = chosen.iter().filter(needs).filter(lacks).cloned().collect();
    let carried = files.keys().cloned().collect();
    Ok((files, Firmware { carried, without }))
}

fn from_package(package: &Path, named: &BTreeSet<&str>, files: &mut Files) -> Result<(), deb::Error> {
    let links: BTreeMap<String, String> = deb::links(package)?
        .into_iter()
        .filter_map(|(path, target)| Some((below(&path)?.to_owned(), aim(below(&path)?, &target)?)))
        .collect();
    // Each name, by the file that it comes to.
    let mut wanted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in named {
        let mut file = (*name).to_owned();
        for _ in 0..LINKS {
            let Some(target) = links.get(&file) else { break };
            file.clone_from(target);
        }
        wanted.entry(file).or_default().push(name);
    }
    deb::files(
        package,
        |path| below(path).is_some_and(|file| wanted.contains_key(file)),
        |path, bytes| {
            for name in below(path).and_then(|file| wanted.get(file)).into_iter().flatten() {
                files.entry((*name).to_owned()).or_insert_with(|| bytes.clone());
            }
        },
    )
}

/// The path below the firmware folder.
fn below(path: &str) -> Option<&str> {
    path.strip_prefix("usr/").unwrap_or(path).strip_prefix("lib/firmware/")
}

/// Where a link at `path` leads, below the firmware folder; none where it leads out of it.
fn aim(path: &str, target: &str) -> Option<String> {
    if let Some(absolute) = target.strip_prefix('/') {
        return below(absolute).map(str::to_owned);
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_file_beside_it_or_above_and_never_out() {
        assert_eq!(
            aim("intel/ice/ddp/ice.pkg", "ice-1.3.30.0.pkg").as_deref(),
            Some("intel/ice/ddp/ice-1.3.30.0.pkg")
        );
        assert_eq!(aim("a/b", "../c/./d").as_deref(), Some("c/d"));
        assert_eq!(aim("a/b", "/lib/firmware/x").as_deref(), Some("x"));
        assert_eq!(aim("a/b", "/etc/shadow"), None);
        assert_eq!(aim("a/b", "../../etc/shadow"), None);
    }
}
