//! `meta-data` and `vendor-data`: who the system is, its keys, and the call home. The user's `user-data` is left as it
//! is; where both say something, cloud-init lets the user's win.
//!
//! Files of attributes must be there whatever the user writes, so they are a second part of `user-data`, merged after the
//! user's: it adds to the list of files and overrules nothing (cloud-init, "Merging user-data sections").

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{Content, Error, File, volumes};

#[derive(Serialize)]
struct MetaData<'a> {
    #[serde(rename = "instance-id")]
    instance_id: &'a str,
    #[serde(rename = "local-hostname")]
    local_hostname: &'a str,
    #[serde(rename = "public-keys")]
    public_keys: BTreeMap<String, &'a str>,
}

/// `meta-data`: instance id, host name, public keys.
pub(super) fn meta_data(content: &Content<'_>) -> Result<String, Error> {
    let keys = content.spec.ssh_keys.iter().enumerate();
    let data = MetaData {
        instance_id: &content.instance,
        local_hostname: &content.spec.hostname,
        public_keys: keys.map(|(position, key)| (format!("key-{position}"), key.trim())).collect(),
    };
    serde_json::to_string(&data).map_err(|source| Error::Document { name: "meta-data", source })
}

/// The boundary between the parts; no text of a user comes to have it.
const BOUNDARY: &str = "==underlay-b7b6c8d1f2a94f0c8a0e==";

/// `user-data`: the user's own, and the files of attributes where there are any.
pub(super) fn user_data(content: &Content<'_>, own: &str) -> String {
    let files: Vec<_> = content.attributes.all_files().iter().map(write_file).collect();
    let script = volumes::script(&content.spec.volumes, content.volumes);
    if files.is_empty() && script.is_none() {
        return own.to_owned();
    }
    let mut ours = serde_json::json!({
        "write_files": files,
        "merge_how": [
            { "name": "list", "settings": ["append"] },
            { "name": "dict", "settings": ["no_replace", "recurse_list"] },
        ],
    });
    if let (Some(script), Some(ours)) = (script, ours.as_object_mut()) {
        // Once for each deployment, and before files are written to what it mounts.
        let once = ["cloud-init-per", "instance", "underlay-volumes", "sh", "-c", &script];
        ours.insert("bootcmd".into(), serde_json::json!([once]));
    }
    let config = part("text/cloud-config", &format!("#cloud-config\n{ours}\n"));
    // A part without a type of its own is read by its first line, as the whole would be; one that is a MIME message is a part
    // with parts (RFC 2046, section 5.1).
    let own = if is_mime(own) { own.trim_start().to_owned() } else { part("text/plain", own) };
    format!(
        "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n--{BOUNDARY}\n{own}\n--{BOUNDARY}\n\
         {config}\n--{BOUNDARY}--\n"
    )
}

fn is_mime(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(16).collect::<String>().to_ascii_lowercase();
    start.starts_with("content-type:") || start.starts_with("mime-version:")
}

fn part(kind: &str, text: &str) -> String {
    let body = lines(&BASE64_STANDARD.encode(text));
    format!(
        "Content-Type: {kind}; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n{body}"
    )
}

/// Lines of the length that mail has (RFC 2045, section 6.8).
fn lines(text: &str) -> String {
    text.as_bytes().chunks(76).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

fn write_file(file: &File) -> serde_json::Value {
    serde_json::json!({
        "path": file.path,
        "content": BASE64_STANDARD.encode(file.content.expose_secret()),
        "encoding": "b64",
        "permissions": file.mode,
        "owner": file.owner,
    })
}

#[derive(Serialize)]
struct VendorData<'a> {
    hostname: &'a str,
    fqdn: &'a str,
    preserve_hostname: bool,
    disable_root: bool,
    phone_home: PhoneHome<'a>,
}

#[derive(Serialize)]
struct PhoneHome<'a> {
    url: &'a str,
    post: [&'static str; 4],
    tries: u32,
}

/// `vendor-data`: host name and the one-time call home, with the host keys the system made for itself.
pub(super) fn vendor_data(content: &Content<'_>) -> Result<String, Error> {
    let hostname = content.spec.hostname.as_str();
    let data = VendorData {
        hostname: hostname.split('.').next().unwrap_or(hostname),
        fqdn: hostname,
        preserve_hostname: false,
        disable_root: false,
        phone_home: PhoneHome {
            url: content.phone_home.expose_secret(),
            post: ["pub_key_ed25519", "pub_key_ecdsa", "pub_key_rsa", "instance_id"],
            tries: 20,
        },
    };
    let text =
        serde_json::to_string(&data).map_err(|source| Error::Document { name: "vendor-data", source })?;
    Ok(format!("#cloud-config\n{text}\n"))
}
