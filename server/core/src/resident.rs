//! The agent that lives on an installed machine: what it says of the system, and whether its line home is open.
//!
//! It was not booted by us, so nothing here has an epoch: all that a resident is given to do is to write the attributes of the
//! machine that took its system as it stands, and what it says moves no deployment.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An open line is noted anew this often, also where nothing is said on it.
pub const NOTED: Duration = Duration::from_secs(30 * 60);
/// A line that was not noted for so long is not known to be open: the server that held it may have died.
pub const STALE: Duration = Duration::from_secs(65 * 60);

/// Is the agent's line home open?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// It is.
    Open,
    /// It ended.
    Closed,
}

/// The system an agent lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Its name.
    pub hostname: String,
    /// What it calls itself: `Debian GNU/Linux 12 (bookworm)`.
    pub os: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The kernel's id of this boot: another one tells of a restart.
    pub boot_id: Option<String>,
    /// When it was started, by its own clock.
    pub up_since: Option<Timestamp>,
    /// Version of the agent.
    pub agent: String,
}

/// A resident as readers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// Is its line open?
    pub line: Line,
    /// What it said last.
    pub system: System,
}

/// Why a resident does not write to `path`, an absolute one without `.` and `..`; nothing where it does. It sees the rest of the
/// system read-only, and its own files are not for others to say.
pub fn forbids(path: &str) -> Option<&'static str> {
    let Some(rest) = path.strip_prefix("/etc/") else { return Some("files can be beneath /etc only") };
    let is_own = rest.starts_with("underlay/") && !ATTRIBUTES.contains(&path);
    let is_units = rest.split('/').any(|part| part.starts_with("underlay-agent"));
    (is_own || is_units).then_some("the agent's own files cannot be written")
}

/// The two of its folder that are attributes.
const ATTRIBUTES: [&str; 2] = ["/etc/underlay/values.json", "/etc/underlay/secrets.json"];

/// What a resident says of the attributes that it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The fingerprint of those that are there, or of those it could not write; empty where there are none.
    pub fingerprint: String,
    /// Why it could not write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Was it heard, so that its machine is on: `at` is when its line was noted last?
pub fn is_heard(line: Line, at: Timestamp, now: Timestamp) -> bool {
    line == Line::Open && now.duration_since(at).unsigned_abs() < STALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_beneath_etc_and_not_in_place_of_the_agents_own() {
        for path in ["/etc/app.conf", "/etc/underlay/values.json", "/etc/underlay/secrets.json", "/etc/a/b"] {
            assert_eq!(forbids(path), None, "{path}");
        }
        for path in [
            "/usr/bin/app",
            "/etc",
            "/etcetera/a",
            "/etc/underlay/agent.conf",
            "/etc/underlay/values.json/a",
            "/etc/systemd/system/underlay-agent.service.d/a.conf",
        ] {
            assert!(forbids(path).is_some(), "{path}");
        }
    }

    #[test]
    fn a_line_that_nobody_notes_any_more_counts_for_nothing() {
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1 << 30);
        assert!(is_heard(Line::Open, now - NOTED, now));
        assert!(!is_heard(Line::Closed, now, now));
        assert!(!is_heard(Line::Open, now - STALE, now));
    }
}
