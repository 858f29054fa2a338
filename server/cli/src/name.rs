//! How an object is named on the command line: `KIND/NAME`, `KIND/OWNER/NAME`, and for hosts also `host/mac/MAC`,
//! `host/serial/SERIAL` and `host/uuid/UUID`.

use underlay_proto::v1::{Key, ObjectRef, Selector, selector::By};

use crate::exit::Error;

const KINDS: [&str; 9] =
    ["site", "pool", "host", "network", "credential", "image", "profile", "step", "machine"];

/// The kind a word means, in singular or plural.
///
/// # Errors
/// A word that is no kind.
pub fn kind(word: &str) -> Result<&'static str, Error> {
    let singular = word.strip_suffix('s').unwrap_or(word);
    KINDS.into_iter().find(|kind| *kind == singular).ok_or_else(|| {
        Error::Usage(format!(
            "\"{word}\" is no kind of object; there are {}",
            KINDS.map(|k| format!("{k}s")).join(", ")
        ))
    })
}

/// The object that `text` names, in `site` and `owner` where it says none itself.
///
/// # Errors
/// A text that names nothing.
pub fn object(text: &str, site: &str, owner: &str) -> Result<ObjectRef, Error> {
    let (word, rest) = text.split_once('/').ok_or_else(|| {
        Error::Usage(format!("\"{text}\" names no object; write KIND/NAME, for example machine/web-0"))
    })?;
    let kind = kind(word)?;
    let by = match rest.split_once('/') {
        Some(("mac", mac)) => By::Mac(mac.into()),
        Some(("serial", serial)) => By::Serial(serial.into()),
        Some(("uuid", uuid)) => By::Uuid(uuid.into()),
        Some(("id", id)) => By::Id(id.into()),
        Some((owner, name)) => By::Key(Key { site: site.into(), owner: owner.into(), name: name.into() }),
        None => By::Key(Key { site: site.into(), owner: owner.into(), name: rest.into() }),
    };
    Ok(ObjectRef { kind: kind.into(), selector: Some(Selector { by: Some(by) }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_kind_and_name() {
        let named = object("machines/web-0", "default", "team").expect("a name");
        assert_eq!(named.kind, "machine");
        let key = Key { site: "default".into(), owner: "team".into(), name: "web-0".into() };
        assert_eq!(named.selector.and_then(|selector| selector.by), Some(By::Key(key)));
    }

    #[test]
    fn a_host_is_found_by_mac_too() {
        let named = object("host/mac/52:54:00:00:00:01", "default", "default").expect("a name");
        assert_eq!(named.selector.and_then(|s| s.by), Some(By::Mac("52:54:00:00:00:01".into())));
    }

    #[test]
    fn a_bare_word_is_refused_with_an_example() {
        let error = object("web-0", "default", "default").expect_err("no kind");
        assert!(error.to_string().contains("machine/web-0"), "{error}");
        assert_eq!(error.code(), 2);
    }
}
