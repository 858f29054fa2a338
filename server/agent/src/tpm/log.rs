//! The firmware's event log (TCG PC Client Platform Firmware Profile, section 10): what was started, by its SHA-256.
//!
//! The firmware measures each program that it starts into PCR 4. The log says which; that it says so truly is for who
//! checks the quote to find out.

const PCR: u32 = 4;
const SHA256: u16 = 0x0b;
const NO_ACTION: u32 = 3;
/// Programs and actions in it; some firmware tries a handful of programs.
const MOST: usize = 64;
const MOST_ALGORITHMS: u32 = 16;

/// What one event went in as.
pub type Digest = [u8; 32];

/// It is no log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the firmware's event log is none: {0}")]
pub struct Error(&'static str);

/// What went into PCR 4, in order.
///
/// # Errors
/// It is no log, or says too much.
pub fn started(log: &[u8]) -> Result<Vec<Digest>, Error> {
    let mut log = Reader(log);
    // The first event is of an older form, and says which digests the others have.
    log.take(28)?;
    let length = log.u32()?;
    let algorithms = algorithms(log.take(length as usize)?)?;
    let mut started = Vec::new();
    while !log.0.is_empty() {
        let (pcr, kind, count) = (log.u32()?, log.u32()?, log.u32()?);
        // The kernel's copy may end in zeros.
        if (pcr, kind, count) == (0, 0, 0) {
            break;
        }
        if count > MOST_ALGORITHMS {
            return Err(Error("an event has too many digests"));
        }
        let mut digest = None;
        for _ in 0..count {
            let algorithm = log.u16()?;
            let known = algorithms.iter().find(|(known, _)| *known == algorithm);
            let (_, length) = known.ok_or(Error("an event has a digest of an unknown kind"))?;
            let bytes = log.take(usize::from(*length))?;
            if algorithm == SHA256 {
                digest = Digest::try_from(bytes).ok();
            }
        }
        let length = log.u32()?;
        log.take(length as usize)?;
        if pcr == PCR && kind != NO_ACTION {
            started.push(digest.ok_or(Error("an event has no SHA-256"))?);
        }
        if started.len() > MOST {
            return Err(Error("too much was started"));
        }
    }
    Ok(started)
}

/// The kinds of digests, and their lengths.
fn algorithms(event: &[u8]) -> Result<Vec<(u16, u16)>, Error> {
    let mut event = Reader(event);
    if event.take(16)? != b"Spec ID Event03\0" {
        return Err(Error("it is of another form than TPM 2.0's"));
    }
    event.take(8)?;
    let count = event.u32()?;
    if count > MOST_ALGORITHMS {
        return Err(Error("it has too many kinds of digests"));
    }
    (0..count).map(|_| Ok((event.u16()?, event.u16()?))).collect()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.take(2)?.try_into().map(u16::from_le_bytes).map_err(|_| Error("it ends early"))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take(4)?.try_into().map(u32::from_le_bytes).map_err(|_| Error("it ends early"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(pcr: u32, kind: u32, digest: u8, data: &[u8]) -> Vec<u8> {
        let mut event = Vec::new();
        for number in [pcr, kind, 2] {
            event.extend(u32::to_le_bytes(number));
        }
        event.extend(4_u16.to_le_bytes());
        event.extend([9; 20]);
        event.extend(SHA256.to_le_bytes());
        event.extend([digest; 32]);
        event.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
        event.extend(data);
        event
    }

    fn header() -> Vec<u8> {
        let mut spec = b"Spec ID Event03\0".to_vec();
        spec.extend([0, 0, 0, 0, 0, 2, 0, 2]);
        spec.extend(2_u32.to_le_bytes());
        for (algorithm, length) in [(4_u16, 20_u16), (SHA256, 32)] {
            spec.extend(algorithm.to_le_bytes());
            spec.extend(length.to_le_bytes());
        }
        spec.push(0);
        let mut header = vec![0; 28];
        header.extend(u32::try_from(spec.len()).expect("short").to_le_bytes());
        header.extend(spec);
        header
    }

    #[test]
    fn what_went_into_pcr_4_is_found_in_its_order_and_nothing_else() {
        let events = [
            event(0, 8, 1, b"firmware"),
            event(4, 0x8000_0007, 2, b"Calling EFI Application from Boot Option"),
            event(4, NO_ACTION, 3, b""),
            event(4, 0x8000_0003, 4, &[7; 300]),
            event(9, 0x8000_0003, 5, b""),
        ];
        let log = [header(), events.concat(), vec![0; 40]].concat();
        assert_eq!(started(&log), Ok(vec![[2; 32], [4; 32]]));
    }

    #[test]
    fn a_log_that_is_cut_or_lies_about_its_lengths_is_an_error_and_no_more() {
        let log = [header(), event(4, 8, 1, b"data")].concat();
        for end in 0..log.len() {
            let cut = started(&log[..end]);
            assert!(cut.is_err() || end == header().len(), "{end}: {cut:?}");
        }
        for at in 0..log.len() {
            let mut bad = log.clone();
            bad[at] ^= 0xff;
            let _ = started(&bad);
        }
        let many = [header(), event(4, 8, 1, b"").repeat(MOST + 1)].concat();
        assert_eq!(started(&many), Err(Error("too much was started")));
    }

    proptest! {
        #[test]
        fn whatever_firmware_leaves_is_refused_or_bounded(
            noise in prop::collection::vec(any::<u8>(), 0..600),
            changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..8), cut in any::<usize>(),
        ) {
            let mut log = [header(), event(4, 8, 1, b"data").repeat(5), noise.clone()].concat();
            for (at, byte) in &changes {
                let at = at % log.len();
                log[at] = *byte;
            }
            log.truncate(cut % (log.len() + 1));
            for log in [noise, log] {
                if let Ok(started) = started(&log) {
                    prop_assert!(started.len() <= MOST && started.len() * 32 <= log.len());
                }
            }
        }
    }
}
