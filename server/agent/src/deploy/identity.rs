//! Is this the host the order is for? Asked before a byte is written; two swapped cables end here.

use underlay_core::agent::{ExpectedIdentity, Inventory};

/// The host is not the one the enrolment describes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the enrolment says {what} {expected}, this host has {found}")]
pub struct Mismatch {
    /// "serial", "uuid" or "mac".
    pub what: &'static str,
    /// What was enrolled.
    pub expected: String,
    /// What is here.
    pub found: String,
}

/// Each one given must match.
pub fn check(expected: &ExpectedIdentity, found: &Inventory) -> Result<(), Mismatch> {
    let differ = |what, expected: &str, found: Option<String>| Mismatch {
        what,
        expected: expected.to_owned(),
        found: found.unwrap_or_else(|| "none".into()),
    };
    if let Some(serial) = &expected.serial
        && found.serial.as_deref() != Some(serial.trim())
    {
        return Err(differ("serial", serial, found.serial.clone()));
    }
    if let Some(uuid) = &expected.uuid
        && !found.uuid.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(uuid))
    {
        return Err(differ("uuid", uuid, found.uuid.clone()));
    }
    if let Some(mac) = expected.mac
        && !found.nics.iter().any(|nic| nic.mac == mac)
    {
        let macs: Vec<String> = found.nics.iter().map(|nic| nic.mac.to_string()).collect();
        return Err(differ("mac", &mac.to_string(), (!macs.is_empty()).then(|| macs.join(", "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use underlay_core::{Mac, agent::Nic};

    use super::*;

    fn host() -> Inventory {
        let nic = |last| Nic {
            name: "eth0".into(),
            mac: Mac([2, 0, 0, 0, 0, last]),
            link: true,
            speed: None,
            addresses: Vec::new(),
            driver: None,
            boot: false,
            neighbour: None,
        };
        Inventory {
            serial: Some("ABC".into()),
            uuid: Some("5e1f0000-0000-4000-8000-000000000001".into()),
            nics: vec![nic(1), nic(2)],
            ..Inventory::default()
        }
    }

    #[test]
    fn each_fact_given_must_match_and_no_other_is_asked_for() {
        let expected = |serial: Option<&str>, uuid: Option<&str>, mac| ExpectedIdentity {
            serial: serial.map(str::to_owned),
            uuid: uuid.map(str::to_owned),
            mac,
        };
        let upper = "5E1F0000-0000-4000-8000-000000000001";
        for good in [
            expected(None, None, None),
            expected(Some("ABC"), None, None),
            expected(Some("ABC"), Some(upper), Some(Mac([2, 0, 0, 0, 0, 2]))),
        ] {
            assert_eq!(check(&good, &host()), Ok(()));
        }
        for (what, bad) in [
            ("serial", expected(Some("ABD"), None, None)),
            ("serial", expected(Some("abc"), Some(upper), None)),
            ("uuid", expected(Some("ABC"), Some("5e1f0000-0000-4000-8000-000000000002"), None)),
            ("mac", expected(Some("ABC"), None, Some(Mac([2, 0, 0, 0, 0, 3])))),
        ] {
            assert_eq!(check(&bad, &host()).unwrap_err().what, what);
        }
        let bare = Inventory::default();
        assert_eq!(check(&expected(Some("ABC"), None, None), &bare).unwrap_err().found, "none");
    }
}
