//! The ramdisk: what is in it, that it is the same each time, and that damaged packages are errors.

mod hostile;

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use super::{modinfo, *};

/// A relocatable ELF64 file with nothing but a `.modinfo` section.
fn module(facts: &[&str]) -> Vec<u8> {
    let names = b"\0.modinfo\0.shstrtab\0";
    let info: Vec<u8> = facts.iter().flat_map(|fact| [fact.as_bytes(), b"\0"].concat()).collect();
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(64, 0);
    let (names_at, info_at) = (64, 64 + names.len());
    let table = info_at + info.len();
    elf[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    elf[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
    elf.extend_from_slice(names);
    elf.extend_from_slice(&info);
    for (name, at, length) in [(0_u32, 0, 0), (1, info_at, info.len()), (10, names_at, names.len())] {
        let mut header = vec![0; 64];
        header[..4].copy_from_slice(&name.to_le_bytes());
        header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(length as u64).to_le_bytes());
        elf.extend_from_slice(&header);
    }
    elf
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut packed).unwrap();
    packed
}

/// A package with these files, its data compressed as `data_name` says.
fn package(at: &Path, data_name: &str, files: &[(&str, Vec<u8>)]) {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("./{path}"), &bytes[..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let data = match data_name.rsplit('.').next() {
        Some("xz") => xz(&tar),
        Some("zst") => zstd::encode_all(&tar[..], 1).unwrap(),
        _ => tar,
    };
    let mut deb = b"!<arch>\n".to_vec();
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.xz", b"odd"), (data_name, &data)] {
        writeln!(deb, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", bytes.len()).unwrap();
        deb.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            deb.push(b'\n');
        }
    }
    fs::write(at, deb).unwrap();
}

const RELEASE: &str = "6.1.0-test";

fn kernel(config: &str) -> Vec<(&'static str, Vec<u8>)> {
    let net = module(&[
        "name=virtio_net",
        "depends=net_failover",
        "alias=virtio:d00000001v*",
        "vermagic=6.1.0-test SMP",
    ]);
    vec![
        ("boot/vmlinuz-6.1.0-test", b"a kernel".to_vec()),
        ("boot/config-6.1.0-test", config.as_bytes().to_vec()),
        ("usr/lib/modules/6.1.0-test/kernel/net/core/failover.ko", module(&["name=failover", "depends="])),
        (
            "usr/lib/modules/6.1.0-test/kernel/drivers/net/net_failover.ko",
            module(&["name=net_failover", "depends=failover"]),
        ),
        ("lib/modules/6.1.0-test/kernel/drivers/net/virtio_net.ko.xz", xz(&net)),
        ("lib/modules/6.1.0-test/kernel/sound/snd.ko", module(&["name=snd", "alias=pci:*"])),
    ]
}

fn options(folder: &Path, files: &[(&str, Vec<u8>)]) -> Options {
    let (kernel_deb, agent) = (folder.join("kernel.deb"), folder.join("agent"));
    package(&kernel_deb, "data.tar.xz", files);
    fs::write(&agent, b"\x7fELF and the rest").unwrap();
    Options { kernel_deb, firmware_debs: Vec::new(), stub_deb: None, agent, out: folder.join("out") }
}

/// Path and bytes of every entry of a newc archive.
fn entries(mut archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    loop {
        assert!(archive.starts_with(b"070701"));
        let field = |index: usize| {
            let text = std::str::from_utf8(&archive[6 + index * 8..14 + index * 8]).unwrap();
            usize::from_str_radix(text, 16).unwrap()
        };
        let (size, name) = (field(6), field(11));
        let path = String::from_utf8(archive[110..110 + name - 1].to_vec()).unwrap();
        let begin = (110 + name).next_multiple_of(4);
        if path == "TRAILER!!!" {
            return found;
        }
        found.push((path, archive[begin..begin + size].to_vec()));
        archive = &archive[(begin + size).next_multiple_of(4)..];
    }
}

#[test]
fn the_initramfs_holds_agent_console_wanted_modules_and_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &kernel("CONFIG_RD_ZSTD=y\n"));
    let built = build(&options).unwrap();
    assert_eq!((built.kernel_release.as_str(), built.compression), (RELEASE, "zstd"));
    assert_eq!(built.modules.iter().collect::<Vec<_>>(), ["failover", "net_failover", "virtio_net"]);

    let packed = fs::read(options.out.join("initrd")).unwrap();
    let entries = entries(&zstd::decode_all(&packed[..]).unwrap());
    let bytes = |path: &str| entries.iter().find(|(found, _)| found == path).map(|(_, bytes)| bytes.clone());
    assert_eq!(bytes("init").unwrap(), b"\x7fELF and the rest");
    assert!(bytes("dev/console").is_some());
    let root = format!("lib/modules/{RELEASE}");
    assert_eq!(
        modinfo::read(&bytes(&format!("{root}/kernel/drivers/net/virtio_net.ko")).unwrap()).unwrap().name,
        "virtio_net"
    );
    assert!(bytes(&format!("{root}/kernel/sound/snd.ko")).is_none());
    let table = |name: &str| String::from_utf8(bytes(&format!("{root}/{name}")).unwrap()).unwrap();
    assert_eq!(table("modules.alias"), "alias virtio:d00000001v* virtio_net\n");
    assert!(table("modules.dep").contains(
        "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko\n"
    ));
    for (index, (path, _)) in entries.iter().enumerate() {
        if let Some((parent, _)) = path.rsplit_once('/') {
            let before = entries[..index].iter().any(|(found, _)| found == parent);
            assert!(before, "{parent} comes before {path}");
        }
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(options.out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["vmlinuz"]["size"], 8);
}

#[test]
fn the_same_package_gives_the_same_bytes_and_a_kernel_without_zstd_gets_gzip() {
    let folder = tempfile::tempdir().unwrap();
    for config in ["CONFIG_RD_ZSTD=y\n", "CONFIG_RD_GZIP=y\n"] {
        let options = options(folder.path(), &kernel(config));
        let once = build(&options).unwrap();
        let bytes = fs::read(options.out.join("initrd")).unwrap();
        assert_eq!(build(&options).unwrap(), once);
        assert_eq!(fs::read(options.out.join("initrd")).unwrap(), bytes);
    }
    let packed = fs::read(folder.path().join("out/initrd")).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
    assert!(entries(&plain).len() > 10);
}

#[test]
fn what_is_no_kernel_package_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &[("usr/share/doc/readme", b"meta".to_vec())]);
    assert!(matches!(build(&options), Err(Error::NoKernel)));
    fs::write(&options.kernel_deb, b"!<arch>\nshort").unwrap();
    assert!(matches!(build(&options), Err(Error::Package(_))));
    package(&options.kernel_deb, "data.tar.lzo", &[]);
    assert!(matches!(build(&options), Err(Error::Package(_))));
    assert!(!options.out.exists());
}

#[test]
fn a_package_cut_anywhere_is_an_error_and_never_a_smaller_ramdisk() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &kernel("CONFIG_RD_ZSTD=y\n"));
    let whole = fs::read(&options.kernel_deb).unwrap();
    for length in (0..whole.len()).step_by(97) {
        fs::write(&options.kernel_deb, &whole[..length]).unwrap();
        assert!(build(&options).is_err(), "cut at {length} of {}", whole.len());
    }
}

#[test]
fn a_dynamic_agent_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &kernel(""));
    fs::write(&options.agent, b"\x7fELF....../lib64/ld-linux-x86-64.so.2").unwrap();
    assert!(matches!(build(&options), Err(Error::NotStatic { .. })));
}

#[test]
fn a_module_with_wild_numbers_has_no_facts() {
    let good = module(&["name=virtio-net", "depends=a-b,c", "alias=x"]);
    let info = modinfo::read(&good).unwrap();
    assert_eq!(
        (info.name.as_str(), info.depends.as_slice()),
        ("virtio_net", &["a_b".to_owned(), "c".to_owned()][..])
    );
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] = 0xff;
        let _ = modinfo::read(&bad);
        let _ = modinfo::read(&good[..at]);
    }
}
