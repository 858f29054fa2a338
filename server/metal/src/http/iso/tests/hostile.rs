//! Images and requests made to hurt: a place is found only where it is whole and alone, what is laid over an image changes
//! nothing else of it, and no part lies outside.

use std::{io, sync::Arc};

use proptest::{collection::vec, prelude::*};

use super::super::{
    LENGTH, MARKER,
    overlay::Overlay,
    placeholder::{Bytes, Place, find, placeholder},
};
use crate::http::ranges::{Conditions, Part};

/// An image in memory.
struct Memory(Arc<[u8]>);

impl Bytes for Memory {
    fn read_at(&self, block: &mut [u8], at: u64) -> io::Result<()> {
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let part = self.0.get(at..at + block.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        block.copy_from_slice(part);
        Ok(())
    }
}

/// Pieces of which images are made: noise, places, and what looks like one.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let whole = placeholder().into_bytes();
    let piece = prop_oneof![
        4 => vec(any::<u8>(), 0..2000),
        2 => Just(whole.clone()),
        1 => Just(MARKER.as_bytes().to_vec()),
        1 => (0..LENGTH).prop_map(move |length| whole[..length].to_vec()),
    ];
    vec(piece, 0..6)
}

/// As simply as it can be said.
fn places(image: &[u8]) -> Vec<usize> {
    let marker = MARKER.as_bytes();
    (0..image.len()).filter(|at| image[*at..].starts_with(marker)).collect()
}

proptest! {
    #[test]
    fn a_place_is_found_where_it_is_whole_and_alone(pieces in pieces()) {
        let image: Arc<[u8]> = pieces.concat().into();
        let expected = match places(&image)[..] {
            [at] if image[at..].starts_with(placeholder().as_bytes()) => Place::At(at as u64),
            [] | [_] => Place::Missing,
            _ => Place::Several,
        };
        prop_assert_eq!(find(&Memory(image.clone()), image.len() as u64), expected);
    }

    #[test]
    fn an_image_that_ends_early_is_an_error(length in 0_u64..3000, more in 1_u64..3 << 20) {
        let image = vec![b'u'; usize::try_from(length).unwrap_or_default()];
        let found = find(&Memory(image.into()), length + more);
        prop_assert!(matches!(found, Place::Unreadable(_)), "{:?}", found);
    }

    #[test]
    fn any_words_are_laid_over_their_place_and_nothing_else(
        words in "\\PC{0,200}|[a-z0-9 .,:/=_\\[\\]-]{0,1100}",
        at in 0_u64..5000,
        from in 0_u64..7000,
        length in 0_usize..3000,
    ) {
        let Ok(overlay) = Overlay::new(at, &words) else {
            prop_assert!(words.len() > LENGTH || !words.is_ascii() || words.contains(|c: char| !c.is_ascii_alphanumeric()));
            return Ok(());
        };
        let mut chunk = vec![0xff; length];
        overlay.lay_over(from, &mut chunk);
        let line = format!("{words:<LENGTH$}");
        for (index, byte) in chunk.iter().enumerate() {
            let offset = from + index as u64;
            let within = offset.checked_sub(at).and_then(|offset| line.as_bytes().get(usize::try_from(offset).ok()?));
            prop_assert_eq!(byte, within.unwrap_or(&0xff));
        }
        let changed = chunk.iter().any(|byte| *byte != 0xff);
        prop_assert_eq!(changed, overlay.touches(from, length as u64) && length > 0);
    }

    #[test]
    fn any_range_is_answered_within_the_image(range in "(bytes)?=?[0-9,\\- ]{0,30}|\\PC{0,40}", size in 0_u64..1 << 33) {
        let conditions = Conditions { range: Some(&range), ..Conditions::default() };
        if let Part::Bytes { from, length } = conditions.part("\"tag\"", size) {
            prop_assert!(length > 0 && from + length <= size);
        }
    }
}
