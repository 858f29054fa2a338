//! The files that an installed system writes because its seed says so: `write_files` of `user-data`, as cloud-init merges the
//! parts of it that are cloud-config written as JSON, which is what the server adds. What a user wrote in YAML is not looked at.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use underlay_core::image::Blake3;

/// A file, without what is in it: that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Octal.
    pub mode: String,
    /// `USER:GROUP`.
    pub owner: String,
    /// Bytes.
    pub size: usize,
    /// BLAKE3, hex.
    pub digest: String,
}

/// Files by path.
pub type Files = BTreeMap<String, Written>;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    write_files: Vec<WriteFile>,
}

#[derive(Deserialize)]
struct WriteFile {
    path: String,
    content: String,
    #[serde(default)]
    encoding: String,
    #[serde(default)]
    permissions: String,
    #[serde(default)]
    owner: String,
}

/// The files that `user_data` makes.
pub fn of(user_data: &str) -> Files {
    let configs = parts(user_data).into_iter().filter_map(|part| {
        let json = part.strip_prefix("#cloud-config")?;
        serde_json::from_str::<Config>(json).ok()
    });
    configs.flat_map(|config| config.write_files).map(written).collect()
}

/// The parts of a MIME message, decoded (RFC 2046, section 5.1); the whole where it is none.
fn parts(text: &str) -> Vec<String> {
    let boundary = text
        .strip_prefix("Content-Type: multipart/mixed; boundary=\"")
        .and_then(|rest| rest.split_once('"'))
        .map(|(boundary, _)| format!("\n--{boundary}"));
    let Some(boundary) = boundary else { return vec![text.to_owned()] };
    let bodies = text.split(boundary.as_str()).skip(1).filter_map(|part| Some(part.split_once("\n\n")?.1));
    let decoded = bodies.filter_map(|body| {
        let body: String = body.split_whitespace().collect();
        String::from_utf8(BASE64_STANDARD.decode(body).ok()?).ok()
    });
    decoded.collect()
}

fn written(file: WriteFile) -> (String, Written) {
    let content = match file.encoding.as_str() {
        "b64" => BASE64_STANDARD.decode(&file.content).unwrap_or_default(),
        _ => file.content.into_bytes(),
    };
    let digest = Blake3::of(&content).to_string();
    (file.path, Written { mode: file.permissions, owner: file.owner, size: content.len(), digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_part_in_json_are_found_and_nothing_else_is() {
        let config = "#cloud-config\n{\"write_files\":[{\"path\":\"/a\",\"content\":\"eA==\",\"encoding\":\"b64\"}]}\n";
        assert_eq!(of(config)["/a"].size, 1);
        let part =
            |text: &str| format!("\n--B\nContent-Type: text/plain\n\n{}\n", BASE64_STANDARD.encode(text));
        let mime = format!(
            "Content-Type: multipart/mixed; boundary=\"B\"\n{}{}\n--B--\n",
            part("#!/bin/sh\n"),
            part(config)
        );
        assert_eq!(of(&mime), of(config));
        for none in ["", "#cloud-config\nwrite_files: []", "Content-Type: multipart/mixed; boundary=\"B"] {
            assert!(of(none).is_empty(), "{none}");
        }
    }
}
