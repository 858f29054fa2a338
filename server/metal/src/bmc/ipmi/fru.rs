//! The serial number in a FRU inventory (IPMI Platform Management FRU Information Storage Definition v1.0, sections 8, 11
//! and 13): that of the product, which is what SMBIOS shows as the system's.

use super::packet::{Bytes, Flaw};

/// The common header.
pub(super) const HEADER: u16 = 8;
/// The fields of a product area before its serial number: manufacturer, name, part number, version.
const BEFORE: usize = 4;
/// Eight-bit characters.
const TEXT: u8 = 3;
/// In place of a field, the end of them.
const END: u8 = 0xc1;
/// No serial number is longer.
const LONGEST: usize = 63;

/// Where the product area begins; `None` where there is none.
pub(super) fn product_at(header: &[u8]) -> Result<Option<u16>, Flaw> {
    let header: [u8; HEADER as usize] = Bytes(header).array()?;
    let [version, _, _, _, product, ..] = header;
    let sum = header.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if version & 0x0f != 1 || sum != 0 {
        return Err("the FRU inventory has no header");
    }
    Ok((product != 0).then(|| u16::from(product) * 8))
}

/// How long an area is, by its first two bytes.
pub(super) fn area_size(begin: &[u8]) -> Result<u16, Flaw> {
    let [_, eighths] = Bytes(begin).array()?;
    Ok(u16::from(eighths) * 8)
}

/// The serial number in a product area, as far as it was read; `None` where it is left out or not text.
pub(super) fn serial(area: &[u8]) -> Result<Option<String>, Flaw> {
    let mut bytes = Bytes(area);
    let _version_size_language: [u8; 3] = bytes.array()?;
    for _ in 0..BEFORE {
        // These are always there, and a version of one character looks like the end of the fields.
        let (_, size) = field(bytes.byte()?);
        bytes.take(size)?;
    }
    let head = bytes.byte()?;
    if head == END {
        return Ok(None);
    }
    let (kind, size) = field(head);
    let raw = bytes.take(size)?;
    let is_text = kind == TEXT && raw.iter().all(|byte| (b' '..=b'~').contains(byte));
    let text = String::from_utf8_lossy(raw).trim().to_owned();
    Ok((is_text && !text.is_empty() && text.len() <= LONGEST).then_some(text))
}

/// Type and length of a field.
fn field(byte: u8) -> (u8, usize) {
    (byte >> 6, usize::from(byte & 0x3f))
}
