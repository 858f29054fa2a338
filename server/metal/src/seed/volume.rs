//! A small FAT volume with a label and a few files, built in memory (Microsoft FAT specification 1.03, long names).

use std::io::{self, Write};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use underlay_core::seed::{Sectors, Seed};

/// Room beside the files: boot sector, tables, directory, long names.
const OVERHEAD: usize = 256 << 10;

/// A FAT volume labelled `label` that holds `files` by their paths, for a disk with sectors of `sector` bytes (512 or 4096).
pub(super) fn fat(label: &str, files: &[(&str, String)], sector: u32) -> io::Result<Seed> {
    let content: usize = files.iter().map(|(_, text)| text.len()).sum();
    let size = (content + OVERHEAD).next_multiple_of(1 << 20);
    let mut volume = Sectors::new(size);
    let mut name = [b' '; 11];
    name.iter_mut().zip(label.bytes()).for_each(|(to, from)| *to = from);
    let sector = if sector == 4096 { 4096 } else { 512 };
    let options = FormatVolumeOptions::new()
        .volume_label(name)
        .bytes_per_sector(sector)
        .bytes_per_cluster(4096)
        .fat_type(FatType::Fat12);
    fatfs::format_volume(&mut volume, options)?;
    let file_system = FileSystem::new(&mut volume, FsOptions::new())?;
    {
        let root = file_system.root_dir();
        for (path, text) in files {
            for (end, _) in path.match_indices('/') {
                root.create_dir(path.get(..end).unwrap_or_default())?;
            }
            root.create_file(path)?.write_all(text.as_bytes())?;
        }
    }
    file_system.unmount()?;
    Ok(volume.into())
}
