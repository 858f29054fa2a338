//! What the docs say of the tables, held against the tables.

use super::{BootAt, Etag, Mark, Mode, Once, Quirks, STANDARD, UNKNOWN};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ways-in/redfish.md");
const BEGIN: &str = "<!-- from server/metal/src/bmc/redfish/quirks, held by its test -->\n";
const END: &str = "<!-- end -->";

fn mark(mark: &Mark) -> String {
    match mark {
        Mark::Vendor(word) => format!("vendor \"{word}\""),
        Mark::Product(word) => format!("product \"{word}\""),
        Mark::Name(word) => format!("name \"{word}\""),
        Mark::Oem(key) => format!("`Oem.{key}`"),
        Mark::Manager(word) => format!("manager model \"{word}\""),
    }
}

fn departures(quirks: &Quirks) -> Vec<String> {
    let mut list = Vec::new();
    if quirks.etag == Etag::Never {
        list.push("`If-Match` is left out".into());
    }
    match quirks.mode {
        Mode::WhenItDiffers => {}
        Mode::Always => list.push("the boot mode is written with every override".into()),
        Mode::ReadOnly => list.push("the boot mode is never written".into()),
    }
    if quirks.boot_at == BootAt::Settings {
        list.push("the boot override is written to the settings resource, where there is one".into());
    }
    if quirks.once == Once::AsContinuous {
        list.push("`Continuous` is taken for `Once`".into());
    }
    if quirks.settle != STANDARD.settle {
        list.push(format!("for {} s after a reset an old power state is no answer", quirks.settle.as_secs()));
    }
    if quirks.patience != STANDARD.patience {
        list.push(format!("`Retry-After` is waited out for up to {} s", quirks.patience.as_secs()));
    }
    if !quirks.later.is_empty() {
        list.push(format!("`{}` means later", quirks.later.join("`, `")));
    }
    list
}

fn written() -> String {
    let mut text = String::new();
    for quirks in super::ALL.into_iter().chain([&UNKNOWN]) {
        let marks: Vec<_> = quirks.known_by.iter().map(mark).collect();
        let known = if marks.is_empty() { "any other".to_owned() } else { marks.join(", ") };
        let departs = departures(quirks);
        let departs = if departs.is_empty() { "nothing".to_owned() } else { departs.join("; ") };
        text += &format!("### {}\n\nKnown by: {known}.\n\nDone otherwise: {departs}.\n\n", quirks.name);
        for seen in quirks.seen {
            text += &format!("- {} ({})\n", seen.what, seen.source);
        }
        if !quirks.seen.is_empty() {
            text.push('\n');
        }
    }
    text
}

#[test]
fn the_page_says_what_the_tables_say() {
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let said = page.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let said = said.map(|(said, _)| said.trim());
    let written = written();
    assert_eq!(said, Some(written.trim()), "write this between the marks of {PAGE}:\n{written}");
}
