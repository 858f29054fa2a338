//! Whose BMC it is, as its service root says, or where that says nothing, its manager. A claim like any other: at worst a
//! table is used that does not fit.

use super::{
    super::model::{Manager, Root},
    ALL, Mark, Quirks,
};

/// The table of the vendor that a service root names.
pub(in super::super) fn by_root(root: &Root) -> Option<&'static Quirks> {
    let same = |said: &Option<String>, word: &str| {
        said.as_deref().is_some_and(|said| said.trim().eq_ignore_ascii_case(word))
    };
    let has = |said: &Option<String>, word: &str| {
        said.as_deref().is_some_and(|said| said.to_ascii_lowercase().contains(&word.to_ascii_lowercase()))
    };
    let fits = |mark: &Mark| match mark {
        Mark::Vendor(word) => same(&root.vendor, word),
        Mark::Product(word) => has(&root.product, word),
        Mark::Name(word) => same(&root.name, word),
        Mark::Oem(key) => root.oem.as_ref().is_some_and(|oem| oem.get(key).is_some()),
        Mark::Manager(_) => false,
    };
    ALL.into_iter().find(|quirks| quirks.known_by.iter().any(fits))
}

/// Does a service root leave open who made it?
pub(in super::super) fn says_nothing(root: &Root) -> bool {
    let empty = |said: &Option<String>| said.as_deref().is_none_or(|said| said.trim().is_empty());
    empty(&root.vendor) && empty(&root.product)
}

/// The table of the vendor that a manager names.
pub(in super::super) fn by_manager(manager: &Manager) -> Option<&'static Quirks> {
    let model = manager.model.as_deref()?.trim();
    let fits = |mark: &Mark| matches!(mark, Mark::Manager(word) if model.eq_ignore_ascii_case(word));
    ALL.into_iter().find(|quirks| quirks.known_by.iter().any(fits))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(root: serde_json::Value) -> Option<&'static str> {
        by_root(&serde_json::from_value(root).expect("a root")).map(|quirks| quirks.name)
    }

    #[test]
    fn a_vendor_is_known_by_what_its_service_root_says() {
        for (root, name) in [
            (
                json!({ "Vendor": "Dell", "Product": "Integrated Dell Remote Access Controller" }),
                Some("idrac"),
            ),
            (json!({ "Vendor": "HPE", "Oem": { "Hpe": {} } }), Some("ilo")),
            (json!({ "Oem": { "Hp": {} } }), Some("ilo")),
            (json!({ "Vendor": "Supermicro", "Product": null }), Some("supermicro")),
            (json!({ "Oem": { "Supermicro": {} } }), Some("supermicro")),
            (json!({ "Vendor": "GIGABYTE", "Product": "AMI Redfish Server" }), Some("ami")),
            (json!({ "Oem": { "Ami": { "RtpVersion": "1.8.a" } } }), Some("ami")),
            (json!({ "Name": "Redvirt Service" }), Some("sushy")),
            (json!({ "Vendor": "Underlay Simulations", "Product": "Plain BMC" }), None),
            (json!({ "Vendor": "Delliverance" }), None),
            (json!({}), None),
        ] {
            assert_eq!(named(root.clone()), name, "{root}");
        }
    }

    #[test]
    fn a_root_that_says_nothing_leaves_it_to_the_manager() {
        let root = |root| says_nothing(&serde_json::from_value(root).expect("a root"));
        assert!(root(json!({ "Name": "Root Service" })) && !root(json!({ "Vendor": "X" })));
        let manager = |model| serde_json::from_value(json!({ "Model": model })).expect("a manager");
        assert_eq!(by_manager(&manager("OpenBmc")).map(|quirks| quirks.name), Some("openbmc"));
        assert_eq!(by_manager(&manager("Other")), None);
    }

    #[test]
    fn every_table_has_a_mark_and_every_oddity_a_place_where_it_was_seen() {
        for quirks in ALL {
            assert!(!quirks.known_by.is_empty(), "{}", quirks.name);
            assert!(!quirks.seen.is_empty(), "{}", quirks.name);
            for seen in quirks.seen {
                assert!(seen.source.contains('#') || seen.source.contains("sushy-tools"), "{seen:?}");
            }
        }
    }
}
