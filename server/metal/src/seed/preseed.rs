//! A preconfiguration file for Debian's installer: what the user wrote, and behind it the name, and a `late_command` that puts
//! keys, files and the call home into the installed system. The installed system's network is that of the installer; one of
//! its own is refused, because the installer has no words for it.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;

use super::{Content, Error, first_boot};

/// The longest argument that Linux takes is 128 KiB (execve(2)); the script is one.
const COMMAND: usize = 120 << 10;

/// The file.
pub(super) fn file(content: &Content<'_>) -> Result<String, Error> {
    let why = |why| Error::UserData { why };
    let own = content.user_data.ok_or(why(
        "is missing: an image with seed = \"preseed\" takes a preconfiguration file, which says how the system is installed",
    ))?;
    let own = own.expose_secret().trim_end();
    if own.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("preseed/late_command")) {
        return Err(why(
            "has a preseed/late_command, of which there can be but one and that is ours; put what it does into a file of a profile",
        ));
    }
    if content.spec.network.is_some() {
        return Err(why(
            "is a preconfiguration file, and Debian's installer has no words for network; leave network out, or write the network into a file of a profile",
        ));
    }
    let script = BASE64_STANDARD.encode(first_boot::script(content));
    if script.len() > COMMAND {
        return Err(why(
            "and the files of its profiles are longer together than the installer's late_command may be",
        ));
    }
    let (host, domain) = content.spec.hostname.split_once('.').unwrap_or((&content.spec.hostname, ""));
    let domain = match domain {
        "" => String::new(),
        domain => format!("d-i netcfg/get_domain string {domain}\n"),
    };
    // The call home is made with curl. Who chooses packages chooses all of them.
    let packages = match own.contains("pkgsel/include") {
        true => "",
        false => "d-i pkgsel/include string openssh-server curl\n",
    };
    Ok(format!(
        "{own}\n\nd-i netcfg/get_hostname string {host}\nd-i netcfg/hostname string {host}\n{domain}\
         {packages}\
         d-i preseed/late_command string in-target sh -c 'echo {script} | base64 -d | sh -eu'\n"
    ))
}
