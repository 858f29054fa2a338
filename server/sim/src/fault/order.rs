//! A fault that a person orders, in one word of a command line: `r1u7:disk-failure=4MiB,times=1,seconds=60`.

use std::{fmt, str::FromStr};

use super::Fault;

/// What goes wrong with which machines, how often and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Which machines, `r1u7` or `r1*`.
    pub machines: String,
    /// What.
    pub fault: Fault,
    /// How often; without an end where left out.
    pub times: Option<u32>,
    /// For how many seconds; without an end where left out.
    pub seconds: Option<u64>,
}

/// The text is no order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No machines, or no fault.
    #[error("\"{0}\" is no fault of a machine; write it like r1u7:disk-failure=4MiB,times=1,seconds=60")]
    Shape(String),
    /// No such fault.
    #[error(transparent)]
    Fault(#[from] super::Error),
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let shape = || Error::Shape(text.chars().take(80).collect());
        let (machines, rest) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(shape)?;
        let mut words = rest.split(',');
        let fault = words.next().unwrap_or_default().parse()?;
        let mut order = Self { machines: machines.into(), fault, times: None, seconds: None };
        for word in words {
            match word.split_once('=').ok_or_else(shape)? {
                ("times", count) => order.times = Some(count.parse().map_err(|_| shape())?),
                ("seconds", count) => order.seconds = Some(count.parse().map_err(|_| shape())?),
                _ => return Err(shape()),
            }
        }
        Ok(order)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.machines, self.fault)?;
        if let Some(times) = self.times {
            write!(f, ",times={times}")?;
        }
        self.seconds.map_or(Ok(()), |seconds| write!(f, ",seconds={seconds}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::WORDS;

    #[test]
    fn an_order_reads_and_prints_as_what_it_reads_as() {
        for word in WORDS {
            for more in ["", ",times=3", ",seconds=60", ",times=1,seconds=2"] {
                let order: Order = format!("r1*:{word}{more}").parse().unwrap();
                assert_eq!(order.to_string().parse(), Ok(order));
            }
        }
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for text in ["", "r1u7", ":dead-nic", "r1u7:dead-nic,often=1", "r1u7:dead-nic,times", "r1u7:fire"] {
            assert!(text.parse::<Order>().is_err(), "{text}");
        }
    }
}
