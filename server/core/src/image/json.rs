//! The JSON spelling of a manifest, laid out for eyes and for `diff`: a line per header field, a line per segment.

use serde::Serialize;

use super::manifest::{FORMAT_VERSION, Manifest, SECTOR_SIZE};

/// The manifest as JSON, ending in a newline.
pub(super) fn write(manifest: &Manifest) -> String {
    let mut out = String::with_capacity(512 + manifest.segments().len() * 220);
    out.push_str("{\n");
    field(&mut out, "version", &FORMAT_VERSION);
    field(&mut out, "source_sha256", &manifest.source_sha256());
    field(&mut out, "virtual_size", &manifest.virtual_size());
    field(&mut out, "sector_size", &SECTOR_SIZE);
    field(&mut out, "digest", &manifest.digest());
    out.push_str("  \"segments\": [");
    for (index, segment) in manifest.segments().iter().enumerate() {
        out.push_str(if index == 0 { "\n    " } else { ",\n    " });
        out.push_str(&value(segment));
    }
    out.push_str("\n  ]\n}\n");
    out
}

fn field(out: &mut String, name: &str, content: &impl Serialize) {
    out.push_str(&format!("  \"{name}\": {},\n", value(content)));
}

fn value(content: &impl Serialize) -> String {
    serde_json::to_string(content).expect("numbers and hex strings always serialise")
}
