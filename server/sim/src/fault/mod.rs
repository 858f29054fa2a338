//! What can go wrong with a machine: each fault in one word, with a value where it has one.
//!
//! | word | what | value |
//! |---|---|---|
//! | `disk-failure` | writes fail from some byte on | that byte, default 0 |
//! | `dead-nic` | nothing goes out or comes in, but for the BMC | |
//! | `slow-link` | the NIC is slow | bytes per second, default 64KiB |
//! | `lost-packets` | packets get lost: TCP is late or breaks, datagrams are gone | how many of a hundred, default 10 |
//! | `bmc-flaky` | the BMC answers one request of n, by chance, with an error, garbage, or not at all | n, default 3 |
//! | `bmc-garbage`, `bmc-hangs` | the same, always garbage, or never an answer | n, default 1 |
//! | `bmc-slow` | the BMC thinks before each answer | seconds, default 5 |
//! | `power-lies` | the BMC always reports this power state | `on` or `off`, default `on` |
//! | `power-stuck` | the BMC takes a reset and nothing is switched | |
//! | `lost-once` | an override for once is forgotten at the next boot | |
//! | `forgets-boot` | the BMC has shown an override once when it forgets it | |
//! | `wrong-serial` | the machine has another serial number than its BMC says | |
//! | `agent-dies` | the agent's machine hangs in the middle of the image | after how many bytes, default 1 |
//! | `double-boot` | the agent's boot is cut off after its token was used, and the machine boots again | |
//! | `media-cut` | the BMC loses the line in the middle of reading an image | |
//! | `media-unlicensed` | the BMC wants a licence for virtual media | |
//! | `password-refused` | the BMC refuses to change the password of its account | |
//! | `password-lost` | the BMC changes it, and its answer is lost | |
//! | `password-ignored` | the BMC says that it has changed it, and has not | |
//! | `password-locks` | two failed logins lock the account of the BMC for 5 min | |
//! | `no-phone-home` | the installed system never calls | |
//!
//! - [`rules`]: which machines have which, for how long; [`order`]: one of them on a command line
//! - [`chaos`]: faults at random, from the seed; [`journal`]: what struck

pub mod chaos;
pub mod journal;
pub mod order;
pub mod rules;

use std::{fmt, str::FromStr, time::Duration};

use underlay_core::Bytes;

use crate::machine::Power;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Writes fail from this byte on.
    DiskFailure(Bytes),
    /// The NIC is dead.
    DeadNic,
    /// So many bytes per second.
    SlowLink(Bytes),
    /// So many of a hundred.
    LostPackets(u8),
    /// One of so many requests to the BMC goes wrong.
    BmcFlaky(u32, Misbehaviour),
    /// The BMC thinks that long.
    BmcSlow(Duration),
    /// The BMC reports this and nothing else.
    PowerLies(Power),
    /// Resets are taken and nothing is switched.
    PowerStuck,
    /// An override for once is forgotten.
    LostOnce,
    /// An override is gone from the BMC once it was read.
    ForgetsBoot,
    /// The machine is another one than the BMC says.
    WrongSerial,
    /// The agent's machine hangs after so many bytes.
    AgentDies(Bytes),
    /// The agent's machine boots twice with one token.
    DoubleBoot,
    /// The line breaks while an image is read.
    MediaCut,
    /// No image may be inserted.
    MediaUnlicensed,
    /// Something about the account of the BMC.
    Account(AccountFault),
    /// The installed system never calls.
    NoPhoneHome,
}

/// What goes wrong with the account of a BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountFault {
    /// Its password cannot be changed.
    Refused,
    /// It is changed, and the answer is lost.
    Lost,
    /// It is not changed, and the answer is yes.
    Ignored,
    /// Two failures lock it.
    LocksOut,
}

/// How a BMC answers when it does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// One of the others, in turn.
    InTurn,
    /// 500.
    Error,
    /// 200 and nonsense.
    Garbage,
    /// Nothing, until the other side gives up.
    Hang,
}

/// The text is no fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such word.
    #[error("there is no fault \"{0}\"; there are {words}", words = WORDS.join(", "))]
    Unknown(String),
    /// A value that does not fit.
    #[error("{word}={value}: {want} is wanted")]
    Value {
        /// Of which fault.
        word: &'static str,
        /// What was given.
        value: String,
        /// What should have been.
        want: &'static str,
    },
}

/// Every word.
pub const WORDS: [&str; 22] = [
    "disk-failure",
    "dead-nic",
    "slow-link",
    "lost-packets",
    "bmc-flaky",
    "bmc-garbage",
    "bmc-hangs",
    "bmc-slow",
    "power-lies",
    "power-stuck",
    "lost-once",
    "forgets-boot",
    "wrong-serial",
    "agent-dies",
    "double-boot",
    "media-cut",
    "media-unlicensed",
    "password-refused",
    "password-lost",
    "password-ignored",
    "password-locks",
    "no-phone-home",
];

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (given, value) = match text.split_once('=') {
            Some((word, value)) => (word, Some(value)),
            None => (text, None),
        };
        let unknown = || Error::Unknown(given.chars().take(40).collect());
        let word = WORDS.into_iter().find(|word| *word == given).ok_or_else(unknown)?;
        let value = Value { word, value };
        Ok(match word {
            "disk-failure" => Self::DiskFailure(value.or(Bytes(0), "a size such as 4MiB")?),
            "dead-nic" => value.none(Self::DeadNic)?,
            "slow-link" => {
                let rate = value.or(Bytes(64 << 10), "bytes per second, such as 64KiB")?;
                if rate.0 == 0 {
                    return Err(value.wrong("more than no byte per second"));
                }
                Self::SlowLink(rate)
            }
            "lost-packets" => match value.or(10_u8, "a number from 1 to 100")? {
                percent @ 1..=100 => Self::LostPackets(percent),
                _ => return Err(value.wrong("a number from 1 to 100")),
            },
            "bmc-flaky" => Self::BmcFlaky(value.count(3)?, Misbehaviour::InTurn),
            "bmc-garbage" => Self::BmcFlaky(value.count(1)?, Misbehaviour::Garbage),
            "bmc-hangs" => Self::BmcFlaky(value.count(1)?, Misbehaviour::Hang),
            "bmc-slow" => {
                Self::BmcSlow(Duration::from_secs(u64::from(value.or(5_u16, "a number of seconds")?)))
            }
            "power-lies" => match value.value {
                None | Some("on") => Self::PowerLies(Power::On),
                Some("off") => Self::PowerLies(Power::Off),
                Some(_) => return Err(value.wrong("on or off")),
            },
            "power-stuck" => value.none(Self::PowerStuck)?,
            "lost-once" => value.none(Self::LostOnce)?,
            "forgets-boot" => value.none(Self::ForgetsBoot)?,
            "wrong-serial" => value.none(Self::WrongSerial)?,
            "agent-dies" => Self::AgentDies(value.or(Bytes(1), "a size such as 4MiB")?),
            "double-boot" => value.none(Self::DoubleBoot)?,
            "media-cut" => value.none(Self::MediaCut)?,
            "media-unlicensed" => value.none(Self::MediaUnlicensed)?,
            "password-refused" => value.none(Self::Account(AccountFault::Refused))?,
            "password-lost" => value.none(Self::Account(AccountFault::Lost))?,
            "password-ignored" => value.none(Self::Account(AccountFault::Ignored))?,
            "password-locks" => value.none(Self::Account(AccountFault::LocksOut))?,
            "no-phone-home" => value.none(Self::NoPhoneHome)?,
            _ => return Err(unknown()),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFailure(after) => write!(f, "disk-failure={after}"),
            Self::DeadNic => f.write_str("dead-nic"),
            Self::SlowLink(rate) => write!(f, "slow-link={rate}"),
            Self::LostPackets(percent) => write!(f, "lost-packets={percent}"),
            Self::BmcFlaky(every, Misbehaviour::Garbage) => write!(f, "bmc-garbage={every}"),
            Self::BmcFlaky(every, Misbehaviour::Hang) => write!(f, "bmc-hangs={every}"),
            Self::BmcFlaky(every, _) => write!(f, "bmc-flaky={every}"),
            Self::BmcSlow(time) => write!(f, "bmc-slow={}", time.as_secs()),
            Self::PowerLies(Power::On) => f.write_str("power-lies=on"),
            Self::PowerLies(Power::Off) => f.write_str("power-lies=off"),
            Self::PowerStuck => f.write_str("power-stuck"),
            Self::LostOnce => f.write_str("lost-once"),
            Self::ForgetsBoot => f.write_str("forgets-boot"),
            Self::WrongSerial => f.write_str("wrong-serial"),
            Self::AgentDies(after) => write!(f, "agent-dies={after}"),
            Self::DoubleBoot => f.write_str("double-boot"),
            Self::MediaCut => f.write_str("media-cut"),
            Self::MediaUnlicensed => f.write_str("media-unlicensed"),
            Self::Account(AccountFault::Refused) => f.write_str("password-refused"),
            Self::Account(AccountFault::Lost) => f.write_str("password-lost"),
            Self::Account(AccountFault::Ignored) => f.write_str("password-ignored"),
            Self::Account(AccountFault::LocksOut) => f.write_str("password-locks"),
            Self::NoPhoneHome => f.write_str("no-phone-home"),
        }
    }
}

/// What stood behind the word.
#[derive(Clone, Copy)]
struct Value<'a> {
    word: &'static str,
    value: Option<&'a str>,
}

impl Value<'_> {
    fn or<T: FromStr>(&self, default: T, want: &'static str) -> Result<T, Error> {
        self.value.map_or(Ok(default), |value| value.parse().map_err(|_| self.wrong(want)))
    }

    fn count(&self, default: u32) -> Result<u32, Error> {
        match self.or(default, "a number from 1 on")? {
            0 => Err(self.wrong("a number from 1 on")),
            count => Ok(count),
        }
    }

    fn none(&self, fault: Fault) -> Result<Fault, Error> {
        if self.value.is_none() { Ok(fault) } else { Err(self.wrong("no value")) }
    }

    fn wrong(&self, want: &'static str) -> Error {
        let value = self.value.unwrap_or_default().chars().take(40).collect();
        Error::Value { word: self.word, value, want }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_and_prints_as_what_it_reads_as() {
        for word in WORDS {
            let fault: Fault = word.parse().unwrap();
            assert_eq!(fault.to_string().parse(), Ok(fault), "{word}");
        }
        assert_eq!("disk-failure=4MiB".parse(), Ok(Fault::DiskFailure(Bytes(4 << 20))));
        assert_eq!("power-lies=off".parse(), Ok(Fault::PowerLies(Power::Off)));
    }

    #[test]
    fn other_words_and_values_are_refused_by_name() {
        for text in
            ["", "fire", "bmc-flaky=0", "lost-packets=101", "dead-nic=1", "disk-failure=x", "slow-link=0"]
        {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.to_string().contains(text.split('=').next().unwrap()), "{error}");
        }
    }
}
