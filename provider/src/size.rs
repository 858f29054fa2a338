//! Sizes as people write them: `4GiB`, `512MiB`, `400GB`, or a bare number of bytes. Binary and decimal units are kept
//! apart, as in IEC 80000-13.

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// The number of bytes; `None` if the text is no size.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
    let (number, unit) = unit.unwrap_or((text, 1));
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

/// The shortest exact text, in binary units: `4GiB`.
pub(crate) fn format(bytes: u64) -> String {
    let binary = UNITS.iter().filter(|(suffix, _)| suffix.len() == 3);
    let exact = binary.clone().find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit));
    exact.map_or_else(|| format!("{bytes}B"), |(suffix, unit)| format!("{}{suffix}", bytes / unit))
}

/// For `#[tf(validate = ...)]`: a size.
///
/// # Errors
/// It is none.
pub(crate) fn valid(text: &String) -> Result<(), String> {
    match parse(text) {
        Some(_) => Ok(()),
        None => Err(format!("must be a size such as \"4GiB\", \"512MiB\" or \"400GB\", not {text:?}")),
    }
}

/// The same for each element of a list.
///
/// # Errors
/// One is none.
#[allow(clippy::ptr_arg, reason = "a validator takes what the attribute holds")]
pub(crate) fn all_valid(texts: &Vec<String>) -> Result<(), String> {
    texts.iter().try_for_each(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_binary_and_decimal_units() {
        assert_eq!(parse("4GiB"), Some(4 << 30));
        assert_eq!(parse("400 GB"), Some(400_000_000_000));
        assert_eq!(parse("512"), Some(512));
    }

    #[test]
    fn a_size_is_written_exactly() {
        for bytes in [4 << 30, 512 << 20, 1, 400_000_000_000, 0] {
            assert_eq!(parse(&format(bytes)), Some(bytes));
        }
        assert_eq!(format(4 << 30), "4GiB");
    }

    #[test]
    fn other_text_is_no_size() {
        for text in ["", "GiB", "-1GiB", "4 gigs", "1.5GiB", "99999999999TiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
