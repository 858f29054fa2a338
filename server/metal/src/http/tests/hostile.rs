//! Requests made to hurt: whatever is sent, a file that is not served is not found, a script holds nothing it was not
//! meant to, and nothing panics. `scripts/fuzz.sh http` runs these for longer.

use axum::{body::Body, http::Request};
use proptest::{collection::vec, prelude::*};

use super::{Bench, Says, TOKEN, agent, config};
use crate::{
    http::{
        Endpoint,
        direct::{Read, read},
        files::locate,
    },
    testing::corpus,
};

/// What the direct way makes of bytes: nothing outside of its three directories, and no more than was sent.
fn is_taken_safely(bytes: &[u8]) -> Result<(), TestCaseError> {
    let endpoint = Endpoint::new(config(std::path::Path::new("/served")), Says::new(agent()));
    if let Read::Asks(asked, length) = read(bytes, &endpoint) {
        prop_assert!(length <= bytes.len());
        if let Ok(asset) = asked.asset {
            let below = ["ramdisk", "loaders", "images"].map(|name| format!("/served/{name}/"));
            let path = asset.path.to_str().expect("text");
            prop_assert!(below.iter().any(|below| path.starts_with(below)), "{path}");
            prop_assert!(!path.contains("..") && !path.contains("//"), "{path}");
        }
    }
    Ok(())
}

#[test]
fn every_entry_of_the_corpus_is_read() {
    let endpoint = Endpoint::new(config(std::path::Path::new("/served")), Says::new(agent()));
    let heads = corpus::entries("http");
    let files = heads.iter().filter(|head| matches!(read(head, &endpoint), Read::Asks(..))).count();
    assert!(files >= 7, "only {files} of {} are answered directly", heads.len());
}

proptest! {
    #[test]
    fn any_bytes_are_no_request_or_one_for_a_file_that_is_served(bytes in vec(any::<u8>(), 0..600)) {
        is_taken_safely(&bytes)?;
    }

    #[test]
    fn a_spoilt_request_reaches_nothing_else(bytes in corpus::edited("http")) {
        is_taken_safely(&bytes)?;
    }

    #[test]
    fn any_path_means_a_file_below_its_directory_or_none(path in "/v1/(ramdisk|loader|images)/[a-f./%\\\\]{0,80}|\\PC{0,80}") {
        let config = config(std::path::Path::new("/served"));
        if let Some(Ok(asset)) = locate(&config, &path) {
            prop_assert!(asset.path.starts_with("/served"), "{path}");
            prop_assert!(asset.path.components().all(|part| part != std::path::Component::ParentDir), "{path}");
        }
    }
}

/// What a script may say: the words that begin its lines.
const WORDS: [&str; 12] = [
    "#!ipxe", "chain", ":again", "sleep", "echo", "kernel", "initrd", "boot", "iseq", "sanboot", "goto",
    "exit",
];

fn is_a_script_of_ours(text: &str) -> Result<(), TestCaseError> {
    for line in text.lines().filter(|line| !line.is_empty()) {
        let word = line.split(' ').next().unwrap_or_default();
        prop_assert!(WORDS.contains(&word), "{line:?} in {text}");
    }
    prop_assert!(text.is_ascii() && !text.contains('\r'));
    prop_assert!(text.matches(TOKEN).count() <= 1);
    Ok(())
}

/// Host names and MACs come from whoever asks, and end in what iPXE runs.
#[test]
fn whoever_asks_for_a_script_puts_no_line_into_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bench = Bench::new(Says::new(agent()));
    let special = prop::sample::select(b"a :[]|$&{}#%\"\\/@.-".to_vec());
    let hosts = vec(prop_oneof![special, 32_u8..127], 0..40);
    let macs = "[0-9a-fA-F:]{0,20}|52:54:00:00:00:01|%24%7B[a-z/]{1,9}%7D|[%0-9a-zA-Z]{0,30}";
    proptest!(|(host in hosts, mac in macs)| {
        for path in ["/boot.ipxe".to_owned(), format!("/v1/ipxe/{mac}")] {
            let Ok(request) = Request::get(&path).header("host", &host[..]).body(Body::empty()) else { continue };
            let (status, _, body) = runtime.block_on(bench.send(request));
            if status.is_success() {
                is_a_script_of_ours(std::str::from_utf8(&body).expect("text"))?;
            } else {
                prop_assert!(status.is_client_error(), "{path}: {status}");
            }
            bench.says.seen.lock().expect("whole").clear();
        }
    });
}
