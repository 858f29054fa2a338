//! The schema of `underlay_image`.

use tfplugin::{Attr, Schema, Timeouts, schema::validate};

use crate::resources::object::valid_name;

/// An operating system image: raw or qcow2, also compressed with gz, xz or zst.
///
/// A new `sha256` makes it another image under the same name. Machines that refer to its `id` are then imaged anew, if they
/// allow it.
#[derive(Debug, Clone, Default, Schema)]
pub struct Model {
    /// What machines refer to: `NAME@sha256:HEX`.
    #[tf(computed)]
    pub id: Attr<String>,
    /// The server's id.
    #[tf(computed, keep)]
    pub object_id: Attr<String>,
    /// Changes when the image is created anew under the same name.
    #[tf(computed, keep)]
    pub incarnation: Attr<String>,
    /// Name.
    #[tf(required, requires_replace, validate = valid_name)]
    pub name: Attr<String>,
    /// Where it comes from.
    #[tf(required)]
    pub source: Attr<Source>,
    /// `x86_64` or `aarch64`.
    #[tf(default = "x86_64", validate = validate::one_of(&["x86_64", "aarch64"]))]
    pub arch: Attr<String>,
    /// How a system of it is told what it is: `cloud_init`; `ignition` (Flatcar and its like); `kickstart` or `preseed`, where the
    /// image is an installer. A change counts from a machine's next deployment on.
    #[tf(default = "cloud_init", validate = validate::one_of(&["cloud_init", "ignition", "kickstart", "preseed"]))]
    pub seed: Attr<String>,
    /// Where it stands: `ready` once it is imported.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// Format of the source: `raw`, `qcow2`, `raw.zst` and so on.
    #[tf(computed)]
    pub format: Attr<String>,
    /// Size in bytes of the disk it describes.
    #[tf(computed)]
    pub virtual_size: Attr<u64>,
    /// How long operations may take.
    #[tf(optional)]
    pub timeouts: Attr<Timeouts>,
}

/// Where an image comes from.
#[derive(Debug, Clone, Default, PartialEq, Schema)]
pub struct Source {
    /// `https://`, `http://`, `file://` under a directory that the server allows, or `upload://` as `underlay image import`
    /// prints it.
    #[tf(required, validate = validate::length(1..=4096))]
    pub url: Attr<String>,
    /// SHA-256 of what is there, 64 hexadecimal digits.
    #[tf(required, validate = valid_sha256)]
    pub sha256: Attr<String>,
}

/// For `#[tf(validate = ...)]`: a SHA-256.
///
/// # Errors
/// It is none.
fn valid_sha256(text: &String) -> Result<(), String> {
    if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(format!("must be 64 hexadecimal digits, as sha256sum prints them, not {text:?}"))
}
