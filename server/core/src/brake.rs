//! Brakes: what holds work back without undoing any. A freeze that somebody asked for, a server that only observes, a
//! server that was restored from a backup and waits to be confirmed.
//!
//! While one stands over an object, no step that changes power, boot or a disk is begun for it, and none of its deadlines
//! runs. Reading, planning and putting go on: what is put waits.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Name, view};

/// Why work is held back; the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The database was restored from a backup, and nobody has confirmed yet that it may act.
    Restored,
    /// The server was started to observe only.
    ObserveOnly,
    /// Somebody asked for it.
    Freeze,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Restored, Kind::ObserveOnly, Kind::Freeze];

    /// The word used in SQL and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Restored => "restored",
            Kind::ObserveOnly => "observe_only",
            Kind::Freeze => "freeze",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no kind of brake.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no kind of brake")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.into()))
    }
}

/// Over which objects a brake stands; what is left out means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Only in this site.
    pub site: Option<Name>,
    /// Only hosts of this pool, and machines on them or for it.
    pub pool: Option<Name>,
}

/// Where an object is, as far as brakes are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its site.
    pub site: Name,
    /// The pool of its host; `None` while it is not known which that will be.
    pub pool: Option<Name>,
}

impl Reach {
    /// Does it reach what is there?
    pub fn covers(&self, scope: &Scope) -> bool {
        self.site.as_ref().is_none_or(|site| *site == scope.site)
            && self.pool.as_ref().is_none_or(|pool| scope.pool.as_ref() == Some(pool))
    }

    /// Does it reach everything there is?
    pub fn is_everything(&self) -> bool {
        self.site.is_none() && self.pool.is_none()
    }

    /// The same as flags of the command line.
    pub fn flags(&self) -> String {
        match (&self.site, &self.pool) {
            (None, None) => "--all".into(),
            (Some(site), None) => format!("--site {site}"),
            (None, Some(pool)) => format!("--every-site --pool {pool}"),
            (Some(site), Some(pool)) => format!("--site {site} --pool {pool}"),
        }
    }
}

/// One brake that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// Why.
    pub kind: Kind,
    /// Over what.
    pub reach: Reach,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// What they said about it.
    pub reason: String,
}

impl Brake {
    /// What makes work go on again: a command.
    pub fn release(&self) -> String {
        match self.kind {
            Kind::Restored => "underlay resume".into(),
            Kind::ObserveOnly => "underlay serve, without --observe-only".into(),
            Kind::Freeze => format!("underlay unfreeze {}", self.reach.flags()),
        }
    }
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, reason, .. } = self;
        let since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        match self.kind {
            Kind::Restored => write!(f, "on hold by {by} since {since}: {reason}; confirm with: ")?,
            Kind::ObserveOnly => write!(f, "observing only since {since}: {reason}; continue with: ")?,
            Kind::Freeze => write!(f, "frozen by {by} since {since}: {reason}; continue with: ")?,
        }
        f.write_str(&self.release())
    }
}

/// How brakes stand over one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hold {
    /// The weightiest brake that stands, if one does.
    pub brake: Option<Brake>,
    /// When the last brake over it was lifted, as far back as is remembered: no deadline is counted from before.
    pub lifted_at: Option<Timestamp>,
}

impl Hold {
    /// The moment before which no deadline counts.
    pub fn counts_from(&self, now: Timestamp) -> Option<Timestamp> {
        // One that was lifted by a clock that was ahead was lifted by now.
        if self.brake.is_some() { Some(now) } else { self.lifted_at.map(|lifted| lifted.min(now)) }
    }
}

/// Tells which brakes stand; asked before anything that changes power, boot or a disk.
#[async_trait]
pub trait Brakes: Send + Sync {
    /// How brakes stand over what is there.
    async fn hold(&self, scope: &Scope) -> Result<Hold, view::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn a_brake_reaches_what_it_names_and_no_more() {
        let here = Scope { site: name("berlin"), pool: Some(name("web")) };
        let unknown = Scope { site: name("berlin"), pool: None };
        let reach =
            |site: Option<&str>, pool: Option<&str>| Reach { site: site.map(name), pool: pool.map(name) };
        assert!(reach(None, None).covers(&here) && reach(None, None).covers(&unknown));
        assert!(reach(Some("berlin"), None).covers(&unknown));
        assert!(!reach(Some("paris"), None).covers(&here));
        assert!(reach(Some("berlin"), Some("web")).covers(&here));
        assert!(!reach(Some("berlin"), Some("db")).covers(&here));
        assert!(!reach(None, Some("web")).covers(&unknown), "a pool that is not known is not that pool");
    }

    #[test]
    fn a_brake_says_who_since_when_why_and_how_to_go_on() {
        let reach = Reach { site: None, pool: Some(name("web")) };
        let since = Timestamp::from_second(1_700_000_000).expect("a time");
        let (by, reason) = ("ops".to_owned(), "switch work".to_owned());
        let brake = Brake { kind: Kind::Freeze, reach, by, since, reason };
        let text = "frozen by ops since 2023-11-14T22:13:20Z: switch work; continue with: underlay unfreeze --every-site --pool web";
        assert_eq!(brake.to_string(), text);
    }
}
