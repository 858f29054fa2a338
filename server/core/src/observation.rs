//! What was seen of an object, by whom and when. Agents and pollers write observations; controllers read them.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Mac, ObjectId, agent, bmc::Power, host::Wish, resident, step};

/// How long it is believed that an agent waits, or that a machine resembles a host, without being told again: whoever
/// tells does so more than twice in that time, and may have died.
pub const FRESH: SignedDuration = SignedDuration::from_mins(25);

/// The newest thing one source saw of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Of which object.
    pub id: ObjectId,
    /// Who saw it.
    pub source: Source,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What was seen.
    pub body: Body,
}

impl Observation {
    /// Is it new enough to be believed at `now` of what changes without a word?
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < FRESH
    }
}

/// Who saw it. One row is kept per object and source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The agent's inventory, sent when it calls home.
    Inventory,
    /// The agent's progress and result on its assignment.
    Agent,
    /// The installed system calling its one-time URL.
    PhoneHome,
    /// A boot server: DHCP, TFTP or HTTP was asked by one of the host's NICs.
    Boot,
    /// A second agent key tried to redeem the host's token.
    Intruder,
    /// The progress of an image import.
    Import,
    /// A machine's controller: a deployment failed by the host's fault.
    Accuser,
    /// The DHCP server of a boot network, which hears who else is there.
    Segment,
    /// The agent in the host's RAM, which waits there for work and has redeemed no token.
    Waiting,
    /// A machine that has something of the host and something that is not the host's.
    Resemblance,
    /// A person, who switches the host by hand.
    Person,
    /// The agent that lives on the installed system.
    Resident,
    /// Whoever did a step for a machine.
    Step,
    /// An operator, who wants something done with the host.
    Operator,
    /// A machine's TPM, which does not vouch for the agent that brought the host's token.
    Quote,
}

impl Source {
    /// The word used in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Inventory => "inventory",
            Source::Agent => "agent",
            Source::PhoneHome => "phone_home",
            Source::Boot => "boot",
            Source::Intruder => "intruder",
            Source::Import => "import",
            Source::Accuser => "accuser",
            Source::Segment => "segment",
            Source::Waiting => "waiting",
            Source::Resemblance => "resemblance",
            Source::Person => "person",
            Source::Resident => "resident",
            Source::Step => "step",
            Source::Operator => "operator",
            Source::Quote => "quote",
        }
    }
}

/// A DHCP server that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stranger {
    /// The address it gives as its own.
    pub address: Ipv4Addr,
    /// How it was noticed.
    pub evidence: Evidence,
}

/// How another DHCP server was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It answered a DISCOVER of ours.
    Answered,
    /// A machine said that it takes its address from it.
    Chosen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// The agent is up and has looked around.
    Inventory {
        /// The epoch whose token it redeemed.
        epoch: i64,
        /// What it found.
        inventory: Box<agent::Inventory>,
    },
    /// The agent is at work or done.
    Report(agent::Report),
    /// The installed system is up.
    PhoneHome {
        /// The epoch whose URL was called.
        epoch: i64,
        /// SSH host public keys it announced, in `authorized_keys` form.
        ssh_host_keys: Vec<String>,
        /// The address it called from.
        address: String,
    },
    /// A boot server was asked.
    Boot {
        /// In words: "DHCP discover from iPXE", "fetched the kernel".
        what: String,
    },
    /// A second key tried to redeem the host's token.
    Intruder {
        /// The epoch of the token.
        epoch: i64,
        /// Fingerprint of the key that was refused.
        key: String,
        /// The address it came from.
        address: String,
    },
    /// The TPM of the machine that brought the host's token does not vouch for its agent.
    Unproven {
        /// The epoch of the token.
        epoch: i64,
        /// Why not, in words.
        why: String,
    },
    /// A deployment failed by the host's fault.
    Accused {
        /// The machine that was to run on it.
        machine: String,
        /// The evidence.
        failure: Box<crate::Failure>,
    },
    /// Who else hands out addresses on a boot network that is ours.
    Segment {
        /// Other DHCP servers, by address; none is how it should be.
        strangers: Vec<Stranger>,
    },
    /// The agent is up in the host's RAM without being asked for, and waits for work. What it says is believed as far as a
    /// boot over the network is: it proves the segment, and that it knows what the host is.
    Waiting {
        /// Since when.
        since: Timestamp,
        /// The NIC it booted over.
        boot_mac: Mac,
        /// What it found.
        inventory: Box<agent::Inventory>,
    },
    /// It waits no more: it has its work, or is gone.
    Left,
    /// A machine reports that cannot be told from this host with certainty.
    Resembles {
        /// Why not, in words.
        why: String,
    },
    /// There is no such machine any more.
    Distinct,
    /// Somebody says that the host is on or off now.
    Confirmed {
        /// Which.
        power: Power,
        /// Who says so.
        by: String,
        /// When: the same said again is news.
        at: Timestamp,
    },
    /// An operator wants something done with the host.
    Wished {
        /// What.
        wish: Wish,
        /// Who.
        by: String,
        /// When: the same wished again is news.
        at: Timestamp,
    },
    /// The agent that lives on the installed system is there, or was.
    Resident {
        /// Is its line open?
        line: resident::Line,
        /// The system.
        system: Box<resident::System>,
        /// The attributes that it wrote.
        #[serde(default)]
        written: resident::Written,
        /// What it found.
        inventory: Box<agent::Inventory>,
    },
    /// A try of a step has ended.
    Step(Box<step::Ended>),
    /// An image import is at work.
    Import {
        /// Bytes read from the source.
        read: u64,
        /// All bytes of the source; 0 where not known.
        total: u64,
    },
}
