//! Module aliases match as the shell does, in bounded time; modules come after what they need.

use super::{alias::matches, *};

fn tables(dep: &str, alias: &str) -> Modules {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modules.dep"), dep).unwrap();
    fs::write(folder.path().join("modules.alias"), alias).unwrap();
    Modules::read(folder.path().to_owned()).unwrap()
}

#[test]
fn patterns_match_as_the_shell_does() {
    for (pattern, text) in [
        ("pci:v00001AF4d*sv*sd*bc*sc*i*", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"),
        ("virtio:d00000001v*", "virtio:d00000001v00001AF4"),
        ("usb:v0[0-9a-f]F?d*", "usb:v0cF1d"),
        ("*", ""),
        ("a*b*c", "aXbYbZc"),
        ("[abc-e]", "d"),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("virtio:d00000001v*", "virtio:d00000002v00001AF4"),
        ("a*b*c", "aXbYbZ"),
        ("[abc-e]", "f"),
        ("[abc", "a"),
        ("a?", "a"),
        ("", "a"),
    ] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn a_hostile_pattern_ends_quickly() {
    let pattern = format!("{}b", "*a".repeat(2000));
    assert!(!matches(&pattern, &"a".repeat(4000)));
}

#[test]
fn a_module_comes_after_everything_it_needs() {
    let modules = tables(
        "kernel/a/virtio-net.ko: kernel/b/net_failover.ko kernel/c/failover.ko\nkernel/b/net_failover.ko: kernel/c/failover.ko\nkernel/c/failover.ko:\n",
        "alias virtio:d00000001v* virtio_net\n",
    );
    assert_eq!(
        modules.order("virtio_net"),
        ["kernel/c/failover.ko", "kernel/b/net_failover.ko", "kernel/a/virtio-net.ko"]
    );
    assert!(modules.order("absent").is_empty());
}

#[test]
fn only_what_the_hardware_asks_for_is_wanted_and_only_once() {
    let mut modules = tables(
        "k/virtio_net.ko:\nk/e1000.ko:\n",
        "alias virtio:d00000001v* virtio_net\nalias pci:v00008086d* e1000\n",
    );
    let devices = BTreeSet::from(["virtio:d00000001v00001AF4".to_owned()]);
    assert_eq!(modules.wanted(&devices), ["virtio_net"]);
    modules.tried.insert("virtio_net".into());
    assert!(modules.wanted(&devices).is_empty());
}
