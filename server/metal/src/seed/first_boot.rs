//! What a system has in it on its first boot when no cloud-init is there to do it: a unit of systemd that calls home once, and the
//! files of its attributes. Installers put it there with a script of POSIX shell.
//!
//! The one-time URL stands in a file that only root reads and that is removed after the call: a unit, and an argument of a
//! program, are for everybody to see.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;

use super::{Content, File};

/// Where the call's settings are.
const CALL: &str = "/etc/underlay/phone-home.curl";
/// The unit's name.
pub(super) const UNIT: &str = "underlay-phone-home.service";

/// The unit (systemd.service(5)).
pub(super) fn unit() -> String {
    format!(
        "[Unit]\n\
         Description=Tell underlay that this system is up\n\
         ConditionPathExists={CALL}\n\
         Wants=network-online.target\n\
         After=network-online.target sshd.service ssh.service sshd-keygen.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key.pub || ssh-keygen -A'\n\
         ExecStart=/usr/bin/curl --config {CALL}\n\
         ExecStartPost=/bin/rm -f {CALL}\n\
         Restart=on-failure\n\
         RestartSec=10\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// Everything that is a file: the settings of the call (curl(1), `--config`), and the attributes'.
pub(super) fn files(content: &Content<'_>) -> Vec<File> {
    let call = format!(
        "fail\nsilent\nshow-error\nretry = 20\nretry-delay = 3\nretry-connrefused\n\
         data-urlencode = \"pub_key_ed25519@/etc/ssh/ssh_host_ed25519_key.pub\"\n\
         data-urlencode = \"instance_id={}\"\nurl = \"{}\"\n",
        content.instance,
        content.phone_home.expose_secret()
    );
    let call =
        File { path: CALL.into(), content: call.into(), mode: "0600".into(), owner: "root:root".into() };
    [call].into_iter().chain(content.attributes.all_files()).collect()
}

/// A script that puts all of it into the system that it runs in, and lets `ssh_keys` of the machine log in as root.
pub(super) fn script(content: &Content<'_>) -> String {
    let mut script = "set -eu\n".to_owned();
    for file in files(content) {
        write(&mut script, &file);
    }
    let unit = File {
        path: format!("/etc/systemd/system/{UNIT}"),
        content: unit().into(),
        mode: "0644".into(),
        owner: "root:root".into(),
    };
    write(&mut script, &unit);
    if !content.spec.ssh_keys.is_empty() {
        let keys: String = content.spec.ssh_keys.iter().map(|key| format!("{}\n", key.trim())).collect();
        script.push_str("mkdir -p -m 0700 /root/.ssh\n");
        let encoded = BASE64_STANDARD.encode(keys);
        script.push_str(&format!(
            "echo {encoded} | base64 -d >>/root/.ssh/authorized_keys\nchmod 0600 /root/.ssh/authorized_keys\n"
        ));
    }
    script.push_str(&format!("systemctl enable {UNIT}\n"));
    script
}

/// What a file holds is in base64, and its path in quotes: neither can end what it stands in.
fn write(script: &mut String, file: &File) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let path = quoted(&file.path);
    let folder = quoted(
        file.path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder }),
    );
    let encoded = BASE64_STANDARD.encode(file.content.expose_secret());
    script.push_str(&format!(
        "mkdir -p {folder}\n(umask 077; echo {encoded} | base64 -d >{path})\nchown {} {path}\nchmod {} {path}\n",
        file.owner, file.mode
    ));
}
