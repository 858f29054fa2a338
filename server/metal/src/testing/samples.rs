//! Specs that fit together: host `lab-N`, image `debian`, machine `web-N`.

use underlay_core::{
    Bytes, Mac,
    agent::{Disk, Inventory, Nic},
    cleaning::{Ending, Method, Proof, Wipe},
    host, image, machine,
};

/// The reference of the image whose content is `digit`, 64 times.
pub(crate) fn image_ref(name: &str, digit: char) -> String {
    format!("{name}@sha256:{}", digit.to_string().repeat(64))
}

pub(crate) fn image(digit: char) -> image::Spec {
    image::Spec {
        url: "https://images.example/debian.raw".into(),
        sha256: digit.to_string().repeat(64).parse().expect("hex"),
        arch: "x86_64".into(),
        seed: image::SeedFormat::CloudInit,
    }
}

pub(crate) fn image_status() -> image::Status {
    image::Status {
        format: None,
        virtual_size: Some(Bytes(2 << 30)),
        stored_size: Some(Bytes(200 << 20)),
        manifest_digest: Some("d".repeat(64)),
    }
}

pub(crate) fn mac(number: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, number])
}

pub(crate) fn host(number: u8) -> host::Spec {
    host::Spec {
        pool: "lab".into(),
        labels: Default::default(),
        identity: host::Identity {
            boot_mac: Some(mac(number)),
            serial: Some(format!("SN-{number}")),
            uuid: None,
            tpm: None,
        },
        boot: host::Boot::default(),
        driver: host::Driver::Redfish(host::Redfish {
            address: format!("https://10.0.9.{number}"),
            credential: "bmc".into(),
            tls: host::Tls::Pin,
            system: None,
            own_password: false,
        }),
        protected: false,
        on_destroy: host::OnDestroy::Forget,
    }
}

/// A machine that takes what pool `lab` gives.
pub(crate) fn pooled() -> machine::Spec {
    let require = machine::Require { pool: "lab".into(), ..machine::Require::default() };
    machine::Spec { host: None, require: Some(require), ..machine("") }
}

pub(crate) fn inventory(number: u8) -> Inventory {
    let nic = Nic {
        name: "eth0".into(),
        mac: mac(number),
        link: true,
        speed: None,
        addresses: Vec::new(),
        driver: None,
        boot: true,
        neighbour: None,
    };
    Inventory {
        serial: Some(format!("SN-{number}")),
        arch: "x86_64".into(),
        disks: vec![disk("vda", 4)],
        nics: vec![nic],
        ..Inventory::default()
    }
}

pub(crate) fn disk(name: &str, gib: u64) -> Disk {
    Disk { name: name.into(), kind: "virtio".into(), size: Bytes(gib << 30), sector: 512, ..Disk::default() }
}

pub(crate) fn machine(host: &str) -> machine::Spec {
    machine::Spec {
        hostname: "web".into(),
        image: image_ref("debian", 'a'),
        host: Some(host.into()),
        require: None,
        spread: None,
        root: machine::RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: Vec::new(),
        user_data_digest: None,
        profiles: Vec::new(),
        values: Default::default(),
        secret_values: None,
        steps: Default::default(),
        allow_disruption: machine::Disruption::EraseRoot,
        redeploy: machine::Redeploy::default(),
        wait_for: machine::WaitFor::Booted,
    }
}

/// What an agent says of a disk that it wiped, well or badly.
pub(crate) fn wipe(disk: &Disk, fails: bool) -> Wipe {
    let ending = match fails {
        true => Ending::Failed { why: "writing at byte 0: Input/output error (os error 5)".into() },
        false => Ending::Wiped,
    };
    Wipe {
        disk: disk.name.clone(),
        serial: disk.serial.clone(),
        wwn: None,
        model: None,
        size: disk.size,
        ending,
        method: Some(Method::Overwrite),
        passed_over: Vec::new(),
        bytes: if fails { 0 } else { disk.size.0 },
        elapsed_ms: 1000,
        proof: (!fails).then(|| Proof { samples: 64, zeros: 64, ..Proof::default() }),
    }
}
