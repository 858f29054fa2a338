//! Drivers for what is there: every modalias in /sys is matched against the table the ramdisk's builder wrote.
//!
//! The tables are kmod's own text forms, `modules.dep` and `modules.alias`, made by `underlay ramdisk build` for exactly
//! the modules it packed (uncompressed, since the whole initramfs is compressed). `modules.always` names those wanted
//! without hardware. Loading is done in rounds, since a bus driver makes new devices appear, until a round adds none.
//! A module that fails to load is noted and never tried again; the agent goes on with what works.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tracing::{debug, info, warn};

mod alias;
#[cfg(test)]
mod tests;

/// The most modalias files read in one round.
const MAX_DEVICES: usize = 100_000;

/// The modules of the running kernel.
#[derive(Debug)]
pub struct Modules {
    root: PathBuf,
    /// Module file, relative to `root`, to the files it needs, nearest first as kmod writes them.
    needs: BTreeMap<String, Vec<String>>,
    /// Module name (`virtio_net`) to its file.
    files: BTreeMap<String, String>,
    aliases: alias::Table,
    always: Vec<String>,
    tried: BTreeSet<String>,
}

impl Modules {
    /// Reads the tables of the running kernel's release below `/lib/modules`.
    pub fn open() -> io::Result<Self> {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self::read(Path::new("/lib/modules").join(release))
    }

    fn read(root: PathBuf) -> io::Result<Self> {
        let needs = parse_dependencies(&fs::read_to_string(root.join("modules.dep"))?);
        let files = needs.keys().map(|file| (name_of(file), file.clone())).collect();
        let aliases = alias::Table::parse(&fs::read_to_string(root.join("modules.alias"))?);
        let always = fs::read_to_string(root.join("modules.always")).unwrap_or_default();
        let always = always.split_ascii_whitespace().map(str::to_owned).collect();
        Ok(Self { root, needs, files, aliases, always, tried: BTreeSet::new() })
    }

    /// Loads what the hardware asks for, round after round, and returns how many modules went in.
    pub fn load_for_hardware(&mut self) -> usize {
        let mut loaded = self.load_all(self.always.clone());
        loop {
            let wanted = self.wanted(&modaliases(Path::new("/sys/devices")));
            let more = self.load_all(wanted);
            if more == 0 {
                return loaded;
            }
            loaded += more;
        }
    }

    /// The names of modules not tried yet that some of these devices ask for.
    fn wanted(&self, devices: &BTreeSet<String>) -> Vec<String> {
        let names: BTreeSet<&str> = devices.iter().flat_map(|device| self.aliases.matching(device)).collect();
        names.into_iter().filter(|name| !self.tried.contains(*name)).map(str::to_owned).collect()
    }

    fn load_all(&mut self, names: Vec<String>) -> usize {
        names.into_iter().map(|name| self.load(&name)).sum()
    }

    /// Loads one module after those it needs.
    fn load(&mut self, name: &str) -> usize {
        if !self.tried.insert(name.to_owned()) {
            return 0;
        }
        let mut loaded = 0;
        for file in self.order(name) {
            let name = name_of(&file);
            match insert(&self.root.join(&file)) {
                Ok(()) => {
                    debug!(name, "module loaded");
                    loaded += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => warn!(name, %error, "module not loaded"),
            }
            self.tried.insert(name);
        }
        loaded
    }

    /// The files to insert for `name`, in order.
    fn order(&self, name: &str) -> Vec<String> {
        let Some(file) = self.files.get(name) else {
            return Vec::new();
        };
        let needs = self.needs.get(file).map(Vec::as_slice).unwrap_or_default();
        let needs = needs.iter().rev().filter(|file| !self.tried.contains(&name_of(file)));
        needs.chain([file]).cloned().collect()
    }
}

fn insert(path: &Path) -> io::Result<()> {
    Ok(rustix::system::finit_module(File::open(path)?, c"", 0)?)
}

/// `kernel/drivers/net/virtio_net.ko` is `virtio_net`; dashes and underscores are one, as in the kernel.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

fn parse_dependencies(text: &str) -> BTreeMap<String, Vec<String>> {
    let line = |line: &str| {
        let (file, needs) = line.split_once(':')?;
        Some((file.to_owned(), needs.split_ascii_whitespace().map(str::to_owned).collect()))
    };
    text.lines().filter_map(line).collect()
}

/// Every modalias below `root`. Symbolic links are not followed, so the walk ends.
fn modaliases(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind)
                    if kind.is_file() && entry.file_name() == "modalias" && found.len() < MAX_DEVICES =>
                {
                    found.extend(fs::read_to_string(entry.path()).map(|text| text.trim().to_owned()));
                }
                _ => {}
            }
        }
    }
    found
}

/// Loads drivers and says how many; without tables (a kernel with everything built in) it says so and goes on.
pub fn load_for_hardware() {
    match Modules::open() {
        Ok(mut modules) => info!(modules = modules.load_for_hardware(), "drivers loaded"),
        Err(error) => warn!(%error, "no module tables for this kernel; going on with what is built in"),
    }
}
