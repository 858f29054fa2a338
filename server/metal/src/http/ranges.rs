//! Which part of a file a request is to get: its preconditions, then its range (RFC 9110 sections 13.2.2 and 14.2).
//!
//! One range at most: a request for several gets the whole, as section 14.2 allows. Tags are strong and of the content,
//! so a range may be resumed against any server that has the same file. Dates are no validators here. Invariant: a
//! part lies inside the file.

/// What a request says about what it wants, as it said it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a str>,
    pub(super) if_none_match: Option<&'a str>,
    pub(super) if_range: Option<&'a str>,
    pub(super) range: Option<&'a str>,
}

/// What it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// So many bytes from there on; at least one.
    Bytes { from: u64, length: u64 },
    /// Nothing, it has it already.
    NotModified,
    /// Nothing: what it has a part of is gone.
    Failed,
    /// Nothing: the file ends before.
    Unsatisfiable,
}

impl Conditions<'_> {
    /// The part of a file of that tag and size.
    pub(super) fn part(&self, etag: &str, size: u64) -> Part {
        if self.if_match.is_some_and(|tags| !lists(tags, etag, false)) {
            return Part::Failed;
        }
        if self.if_none_match.is_some_and(|tags| lists(tags, etag, true)) {
            return Part::NotModified;
        }
        match (self.range, self.if_range) {
            (Some(range), None) => one_range(range, size),
            (Some(range), Some(tag)) if tag.trim() == etag => one_range(range, size),
            _ => Part::Whole,
        }
    }
}

/// True if a list of tags holds this one. A weak comparison overlooks `W/`.
fn lists(tags: &str, etag: &str, weakly: bool) -> bool {
    tags.trim() == "*"
        || tags.split(',').map(str::trim).any(|tag| {
            let tag = if weakly { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
            tag == etag
        })
}

/// A range that is malformed, or one of several, counts as none.
fn one_range(range: &str, size: u64) -> Part {
    let Some((unit, spec)) = range.split_once('=') else { return Part::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let (from, length) = match (number(first), number(last)) {
        (Ok(Some(first)), Ok(Some(last))) if first > last => return Part::Whole,
        (Ok(Some(first)), Ok(last)) => {
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            (first, end.saturating_sub(first))
        }
        (Ok(None), Ok(Some(suffix))) => {
            let length = suffix.min(size);
            (size - length, length)
        }
        _ => return Part::Whole,
    };
    if length == 0 { Part::Unsatisfiable } else { Part::Bytes { from, length } }
}

/// A number of any length, none where there is nothing, an error where it is no number.
fn number(text: &str) -> Result<Option<u64>, ()> {
    match text {
        "" => Ok(None),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(text.parse().unwrap_or(u64::MAX))),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"abc\"";

    fn bytes(from: u64, length: u64) -> Part {
        Part::Bytes { from, length }
    }

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        for (range, size, part) in [
            ("bytes=0-0", 10, bytes(0, 1)),
            ("bytes=0-9", 10, bytes(0, 10)),
            ("bytes=0-", 10, bytes(0, 10)),
            ("bytes=3-5", 10, bytes(3, 3)),
            ("bytes=9-", 10, bytes(9, 1)),
            ("bytes=5-100", 10, bytes(5, 5)),
            ("bytes=5-99999999999999999999999", 10, bytes(5, 5)),
            ("bytes=-3", 10, bytes(7, 3)),
            ("bytes=-30", 10, bytes(0, 10)),
            ("Bytes= 1-2", 10, bytes(1, 2)),
            ("bytes=10-", 10, Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Part::Unsatisfiable),
            ("bytes=-0", 10, Part::Unsatisfiable),
            ("bytes=0-", 0, Part::Unsatisfiable),
            ("bytes=-5", 0, Part::Unsatisfiable),
            ("bytes=5-3", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=a-b", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("bytes=1-2x", 10, Part::Whole),
            ("lines=1-2", 10, Part::Whole),
            ("1-2", 10, Part::Whole),
            ("", 10, Part::Whole),
        ] {
            assert_eq!(one_range(range, size), part, "{range:?} of {size}");
        }
    }

    #[test]
    fn preconditions_come_before_the_range_and_in_their_order() {
        let range = Some("bytes=2-3");
        let none = Conditions { range, ..Conditions::default() };
        for (conditions, part) in [
            (Conditions::default(), Part::Whole),
            (none, bytes(2, 2)),
            (Conditions { if_range: Some(TAG), ..none }, bytes(2, 2)),
            (Conditions { if_range: Some("\"other\""), ..none }, Part::Whole),
            (Conditions { if_range: Some("W/\"abc\""), ..none }, Part::Whole),
            (Conditions { if_range: Some("Sun, 06 Nov 1994 08:49:37 GMT"), ..none }, Part::Whole),
            (Conditions { if_range: Some(TAG), range: None, ..none }, Part::Whole),
            (Conditions { if_none_match: Some(TAG), ..none }, Part::NotModified),
            (Conditions { if_none_match: Some("\"x\", W/\"abc\""), ..none }, Part::NotModified),
            (Conditions { if_none_match: Some("*"), ..none }, Part::NotModified),
            (Conditions { if_none_match: Some("\"x\""), ..none }, bytes(2, 2)),
            (Conditions { if_match: Some(TAG), ..none }, bytes(2, 2)),
            (Conditions { if_match: Some("*"), ..none }, bytes(2, 2)),
            (Conditions { if_match: Some("W/\"abc\""), ..none }, Part::Failed),
            (Conditions { if_match: Some("\"x\""), if_none_match: Some(TAG), ..none }, Part::Failed),
        ] {
            assert_eq!(conditions.part(TAG, 10), part, "{conditions:?}");
        }
    }

    proptest! {
        #[test]
        fn any_range_stays_inside_the_file(range in "(bytes)?=?[0-9,\\- ]{0,30}|\\PC{0,40}", size: u64) {
            if let Part::Bytes { from, length } = one_range(&range, size) {
                prop_assert!(length > 0 && from.checked_add(length).is_some_and(|end| end <= size));
            }
        }

        #[test]
        fn any_conditions_are_answered(texts in prop::array::uniform4(prop::option::of("\\PC{0,40}"))) {
            let [if_match, if_none_match, if_range, range] = texts.each_ref().map(Option::as_deref);
            let _ = Conditions { if_match, if_none_match, if_range, range }.part(TAG, 10);
        }
    }
}
