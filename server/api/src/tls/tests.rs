//! The authority: kept over restarts, private, never replaced behind our back; certificates say what it says.

use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use underlay_core::ObjectId;

use super::*;

fn request(key: &KeyPair, names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap().serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn the_authority_outlives_a_restart_and_its_key_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let first = Authority::open(directory.path()).unwrap();
    let second = Authority::open(directory.path()).unwrap();
    assert_eq!(first.digest(), second.digest());
    let mode = std::fs::metadata(directory.path().join("ca.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    Authority::open(directory.path()).unwrap();
    let key = directory.path().join("ca.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Authority::open(directory.path()), Err(Error::File { .. })));
}

#[test]
fn a_crash_between_key_and_certificate_heals() {
    let directory = tempfile::tempdir().unwrap();
    Authority::open(directory.path()).unwrap();
    std::fs::remove_file(directory.path().join("ca.pem")).unwrap();
    assert!(Authority::open(directory.path()).is_ok());
}

#[test]
fn a_certificate_without_its_key_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    Authority::open(directory.path()).unwrap();
    std::fs::remove_file(directory.path().join("ca.key")).unwrap();
    assert!(matches!(Authority::open(directory.path()), Err(Error::Damaged { .. })));
}

#[test]
fn another_authoritys_certificate_is_refused() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Authority::open(here.path()).unwrap();
    Authority::open(there.path()).unwrap();
    std::fs::copy(there.path().join("ca.pem"), here.path().join("ca.pem")).unwrap();
    assert!(matches!(Authority::open(here.path()), Err(Error::Damaged { .. })));
}

#[test]
fn a_certificate_says_which_agent_it_is_whatever_the_request_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path()).unwrap();
    let key = KeyPair::generate().unwrap();
    let checked = authority.check(&request(&key, &["underlay-server", "10.0.0.1"])).unwrap();
    let identity = AgentIdentity { host: ObjectId::new(), epoch: 7 };
    let certificate = authority.agent(&checked, identity).unwrap();
    assert_eq!(AgentIdentity::of(&certificate), Some(identity));
    assert_eq!(AgentIdentity::of(authority.certificate()), None);
}

#[test]
fn a_resident_and_an_agent_in_ram_never_pass_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path()).unwrap();
    let checked = authority.check(&request(&KeyPair::generate().unwrap(), &["underlay:agent:x:1"])).unwrap();
    let host = ObjectId::new();
    let (resident, _) = authority.resident(&checked, host).unwrap();
    let identity = ResidentIdentity::of(&resident).unwrap();
    assert_eq!((identity.host, identity.fingerprint().as_str()), (host, checked.fingerprint()));
    assert_eq!(AgentIdentity::of(&resident), None);
    let agent = authority.agent(&checked, AgentIdentity { host, epoch: 7 }).unwrap();
    assert_eq!(ResidentIdentity::of(&agent), None);
}

#[test]
fn requests_that_are_long_forged_or_of_another_curve_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path()).unwrap();
    let good = request(&KeyPair::generate().unwrap(), &[]);
    assert!(authority.check(&good).is_ok());
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let other_curve = request(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(), &[]);
    for bad in [Vec::new(), vec![0x30; 5000], forged, other_curve, good[..40].to_vec()] {
        assert!(matches!(authority.check(&bad), Err(Error::Request(_))), "{} bytes", bad.len());
    }
}

#[test]
fn a_key_is_told_from_another_by_its_fingerprint() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::open(directory.path()).unwrap();
    let (one, two) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let print = |key| authority.check(&request(key, &[])).unwrap().fingerprint().to_owned();
    assert_eq!(print(&one), print(&one));
    assert_ne!(print(&one), print(&two));
}
