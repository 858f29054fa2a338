//! `meta-data` and `vendor-data`: who the system is, its keys, and the call home. The user's `user-data` is left as it
//! is; where both say something, cloud-init lets the user's win.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::{Content, Error};

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
