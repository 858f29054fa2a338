//! An Ignition configuration (specification 3.3.0) on an OpenStack config drive, where Ignition's `openstack` provider looks for it.
//! The user's own configuration is merged over ours by Ignition itself.
//!
//! For Flatcar and its like: keys are those of user `core`, and the network is that of systemd-networkd.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Content, Error, File, first_boot, networkd};

/// Where on the drive (OpenStack config drive, `user_data`).
pub(super) const PATH: &str = "openstack/latest/user_data";

/// The configuration.
pub(super) fn config(content: &Content<'_>) -> Result<String, Error> {
    let keys: Vec<&str> = content.spec.ssh_keys.iter().map(|key| key.trim()).collect();
    let plain = |path: &str, text: &str| {
        json!({
            "path": path, "mode": 0o644, "overwrite": true, "contents": { "source": source(text.as_bytes()) },
        })
    };
    let mut files = vec![plain("/etc/hostname", &format!("{}\n", content.spec.hostname))];
    for (name, text) in networkd::files(content.spec.network.as_ref(), content.boot_mac) {
        files.push(plain(&format!("/etc/systemd/network/{name}"), &text));
    }
    files.extend(first_boot::files(content).iter().map(file));
    let units = json!([{ "name": first_boot::UNIT, "enabled": true, "contents": first_boot::unit() }]);
    let mut config = json!({
        "ignition": { "version": "3.3.0" },
        "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": keys }] },
        "storage": { "files": files },
        "systemd": { "units": units },
    });
    if let Some(own) = content.user_data {
        let own = own.expose_secret();
        let is_ignition = serde_json::from_str::<Value>(own).is_ok_and(|own| {
            own.pointer("/ignition/version").and_then(Value::as_str).is_some_and(|it| it.starts_with("3."))
        });
        if !is_ignition {
            return Err(Error::UserData {
                why: "is no Ignition configuration of version 3 in JSON, which an image with seed = \"ignition\" takes",
            });
        }
        if let Some(ignition) = config.pointer_mut("/ignition") {
            *ignition =
                json!({ "version": "3.3.0", "config": { "merge": [{ "source": source(own.as_bytes()) }] } });
        }
    }
    Ok(config.to_string())
}

/// A `data:` URL (RFC 2397).
fn source(bytes: &[u8]) -> String {
    format!("data:;base64,{}", BASE64_STANDARD.encode(bytes))
}

fn file(file: &File) -> Value {
    let (user, group) = file.owner.split_once(':').unwrap_or(("root", "root"));
    json!({
        "path": file.path,
        "mode": u32::from_str_radix(&file.mode, 8).unwrap_or(0o600),
        "overwrite": true,
        "user": { "name": user },
        "group": { "name": group },
        "contents": { "source": source(file.content.expose_secret().as_bytes()) },
    })
}
