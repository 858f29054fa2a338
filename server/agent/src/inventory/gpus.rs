//! GPUs and other accelerators, by their PCI class (PCI Code and ID Assignment Specification).
//!
//! A server's BMC has a VGA controller too, which is no GPU: of the VGA controllers only those of makers that build no BMC
//! graphics count.

use std::{fs, path::Path};

use underlay_core::agent::Gpu;

use super::sysfs;

/// 3D controller, other display controller, processing accelerator.
const CLASSES: [u32; 3] = [0x0302, 0x0380, 0x1200];
/// VGA compatible controller.
const VGA: u32 = 0x0300;
/// NVIDIA.
const VGA_MAKERS: [u32; 1] = [0x10de];
/// No machine has more.
const MOST: usize = 64;

/// Every accelerator under `sys`, by PCI address.
pub fn read(sys: &Path) -> Vec<Gpu> {
    let Ok(entries) = fs::read_dir(sys.join("bus/pci/devices")) else { return Vec::new() };
    let mut found: Vec<Gpu> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let hex = |name: &str| {
                let text = sysfs::text(entry.path().join(name))?;
                u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
            };
            let (class, vendor, device) = (hex("class")? >> 8, hex("vendor")?, hex("device")?);
            let counts = CLASSES.contains(&class) || (class == VGA && VGA_MAKERS.contains(&vendor));
            let address = entry.file_name().to_string_lossy().into_owned();
            counts.then(|| Gpu { address, device: format!("{vendor:04x}:{device:04x}") })
        })
        .collect();
    found.sort_by(|one, other| one.address.cmp(&other.address));
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accelerators_are_found_and_the_graphics_of_a_bmc_are_not() {
        let sys = tempfile::tempdir().expect("a directory");
        for (address, class, vendor, device) in [
            ("0000:3b:00.0", "0x030200", "0x10de", "0x20b5"),
            ("0000:04:00.0", "0x030000", "0x1a03", "0x2000"),
            ("0000:05:00.0", "0x030000", "0x10de", "0x2684"),
            ("0000:1a:00.0", "0x120000", "0x8086", "0x0b25"),
            ("0000:00:1f.0", "0x060100", "0x8086", "0x7a86"),
        ] {
            let path = sys.path().join("bus/pci/devices").join(address);
            fs::create_dir_all(&path).expect("a device");
            for (name, text) in [("class", class), ("vendor", vendor), ("device", device)] {
                fs::write(path.join(name), format!("{text}\n")).expect("an attribute");
            }
        }
        let found: Vec<_> = read(sys.path()).into_iter().map(|gpu| gpu.device).collect();
        assert_eq!(found, ["10de:2684", "8086:0b25", "10de:20b5"]);
        assert!(read(Path::new("/nonexistent")).is_empty());
    }
}
