//! What a kernel module says of itself: the `.modinfo` section of its ELF64 file, `key=value` strings between zeros.
//!
//! Little-endian ELF64 only (x86_64, aarch64). A file that is anything else, or whose numbers do not fit, has no facts.

/// The facts that matter for loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Modinfo {
    /// Name as the kernel writes it, with underscores.
    pub(super) name: String,
    /// Names of modules that must be there first.
    pub(super) depends: Vec<String>,
    /// Patterns of the devices it drives.
    pub(super) aliases: Vec<String>,
    /// Files below `/lib/firmware` that it may ask the kernel for.
    pub(super) firmware: Vec<String>,
    /// The kernel it was built for.
    pub(super) release: String,
}

/// Reads the facts.
pub(super) fn read(elf: &[u8]) -> Option<Modinfo> {
    let section = section(elf, b".modinfo")?;
    let mut info = Modinfo::default();
    for entry in section.split(|byte| *byte == 0) {
        let Some((key, value)) = std::str::from_utf8(entry).ok().and_then(|entry| entry.split_once('='))
        else {
            continue;
        };
        match key {
            "name" => info.name = value.replace('-', "_"),
            "depends" => {
                info.depends = value
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(|name| name.replace('-', "_"))
                    .collect()
            }
            "alias" => info.aliases.push(value.to_owned()),
            "firmware" => info.firmware.push(value.to_owned()),
            "vermagic" => info.release = value.split(' ').next().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    (!info.name.is_empty()).then_some(info)
}

/// The bytes of the section called `name` (ELF-64 object file format, sections "ELF header" and "Section header").
fn section<'a>(elf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if !elf.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return None;
    }
    let table = usize::try_from(number::<8>(elf, 40)?).ok()?;
    let size = usize::try_from(number::<2>(elf, 58)?).ok()?;
    let count = usize::try_from(number::<2>(elf, 60)?).ok()?;
    let names = usize::try_from(number::<2>(elf, 62)?).ok()?;
    let header = |index: usize| elf.get(table.checked_add(index.checked_mul(size)?)?..);
    let bytes = |header: &[u8]| {
        let offset = usize::try_from(number::<8>(header, 24)?).ok()?;
        let length = usize::try_from(number::<8>(header, 32)?).ok()?;
        elf.get(offset..offset.checked_add(length)?)
    };
    let names = bytes(header(names)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let at = usize::try_from(number::<4>(header, 0)?).ok()?;
        let found = names.get(at..)?.split(|byte| *byte == 0).next()?;
        (found == name).then(|| bytes(header)).flatten()
    })
}

/// A little-endian number of `N` bytes at `at`.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(N)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
