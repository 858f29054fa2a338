//! What client and server agree on before the first block (RFC 2347, 2348, 2349, 7440).
//!
//! An option that is malformed or out of range is left out of the answer, which means its default.

use std::time::Duration;

use super::admission::Limits;

/// RFC 2348.
const BLOCK: std::ops::RangeInclusive<u64> = 8..=65_464;
const DEFAULT_BLOCK: u64 = 512;

/// The terms of one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Content bytes per block.
    pub block: usize,
    /// Blocks per acknowledgement.
    pub window: u64,
    /// Wait before the first retransmission, where the client asked for one.
    pub timeout: Option<Duration>,
    /// What the OACK says; empty means that no OACK is sent.
    pub answer: Vec<(&'static str, u64)>,
}

impl Agreed {
    /// Answers what a client asks for a file of this size.
    pub fn on(requested: &[(String, String)], size: u64, limits: &Limits) -> Self {
        let mut answer = Vec::new();
        let asked = |name: &str| {
            let (_, value) = requested.iter().find(|(option, _)| option == name)?;
            value.parse::<u64>().ok()
        };
        let block = asked("blksize")
            .filter(|size| *size >= *BLOCK.start())
            .map(|size| size.min(*BLOCK.end()).min(limits.block));
        answer.extend(block.map(|block| ("blksize", block)));
        let block = block.unwrap_or(DEFAULT_BLOCK);
        let timeout = asked("timeout").filter(|seconds| (1..=255).contains(seconds));
        answer.extend(timeout.map(|seconds| ("timeout", seconds)));
        answer.extend(asked("tsize").map(|_| ("tsize", size)));
        let window = asked("windowsize")
            .filter(|window| (1..=65_535).contains(window))
            .map(|window| window.min(limits.window).min((limits.window_bytes / block).max(1)));
        answer.extend(window.map(|window| ("windowsize", window)));
        Self {
            block: usize::try_from(block).unwrap_or(usize::MAX),
            window: window.unwrap_or(1),
            timeout: timeout.map(Duration::from_secs),
            answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(options: &[(&str, &str)]) -> Agreed {
        let options: Vec<_> = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Agreed::on(&options, 1000, &Limits::default())
    }

    #[test]
    fn without_options_there_is_no_answer_and_blocks_of_512() {
        let plain = agreed(&[]);
        assert_eq!((plain.block, plain.window, plain.timeout, plain.answer.len()), (512, 1, None, 0));
    }

    #[test]
    fn each_option_is_answered_with_what_holds() {
        let all = agreed(&[("tsize", "0"), ("blksize", "1468"), ("windowsize", "16"), ("timeout", "3")]);
        let expected = [("blksize", 1468), ("timeout", 3), ("tsize", 1000), ("windowsize", 16)];
        assert_eq!(all.answer, expected);
        assert_eq!((all.block, all.window, all.timeout), (1468, 16, Some(Duration::from_secs(3))));
    }

    #[test]
    fn what_is_out_of_range_is_clamped_or_left_out() {
        assert_eq!(agreed(&[("blksize", "99999")]).block, 65_464);
        assert_eq!(agreed(&[("blksize", "7")]).answer, []);
        assert_eq!(agreed(&[("timeout", "0"), ("windowsize", "0"), ("multicast", "")]).answer, []);
        assert_eq!(agreed(&[("tsize", "many")]).answer, []);
        let wide = agreed(&[("blksize", "65464"), ("windowsize", "64")]);
        assert!(wide.window * 65_464 <= Limits::default().window_bytes, "{wide:?}");
    }
}
