//! Bind rules: which machines that nobody enrolled become hosts of a pool, and with which labels.
//!
//! Everything that a rule gives must hold. Texts are patterns in which `*` stands for anything, upper and lower case being
//! the same; numbers are the least that suffices. A rule that gives nothing is refused, so that no machine is bound by
//! an oversight.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Bytes, FieldError, Mac, Name,
    agent::Inventory,
    host::{Boot, BootMethod, Driver, Firmware, Identity, Manual, OnDestroy, Spec},
    identity::Traits,
};

/// The most rules of a pool.
const RULES: usize = 64;
/// The longest name made of a serial number.
const NAME: usize = 63;

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What a machine must be.
    #[serde(rename = "match")]
    pub wants: Match,
    /// The labels that its host gets.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What a machine must be; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// Name of the network it was seen on.
    pub network: Option<String>,
    /// SMBIOS manufacturer.
    pub vendor: Option<String>,
    /// SMBIOS product name.
    pub product: Option<String>,
    /// SMBIOS system serial number.
    pub serial: Option<String>,
    /// MAC of the NIC it booted over.
    pub mac: Option<String>,
    /// `x86_64` or `aarch64`.
    pub arch: Option<String>,
    /// `uefi` or `bios`.
    pub firmware: Option<String>,
    /// At least so many logical CPUs.
    pub cpus: Option<u32>,
    /// At least so much memory.
    pub memory: Option<Bytes>,
    /// At least so many disks that may be written.
    pub disks: Option<u32>,
    /// At least so many GPUs.
    pub gpus: Option<u32>,
}

/// A machine that nobody enrolled.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// What its agent found.
    pub inventory: &'a Inventory,
    /// The NIC it booted over.
    pub boot_mac: Mac,
    /// The name of the network it was seen on, where it is one of ours.
    pub network: Option<&'a str>,
}

impl Match {
    /// Is the machine such a one?
    pub fn fits(&self, found: Found<'_>) -> bool {
        let it = found.inventory;
        let mac = found.boot_mac.to_string();
        let texts = [
            (&self.network, found.network),
            (&self.vendor, it.vendor.as_deref()),
            (&self.product, it.product.as_deref()),
            (&self.serial, it.serial.as_deref().map(str::trim)),
            (&self.mac, Some(mac.as_str())),
            (&self.arch, Some(it.arch.as_str())),
            (&self.firmware, Some(it.firmware.as_str())),
        ];
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let usable = it.disks.iter().filter(|disk| disk.excluded.is_none()).count();
        let numbers = [
            (self.cpus.map(u64::from), u64::from(it.cpus)),
            (self.memory.map(|memory| memory.0), it.memory.0),
            (self.disks.map(u64::from), count(usable)),
            (self.gpus.map(u64::from), count(it.gpus.len())),
        ];
        texts.iter().all(|(pattern, text)| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| like(pattern, text)))
        }) && numbers.iter().all(|(least, has)| least.is_none_or(|least| *has >= least))
    }
}

/// The first of `rules` that the machine fits.
pub fn first<'a>(rules: &'a [Rule], found: Found<'_>) -> Option<&'a Rule> {
    rules.iter().find(|rule| rule.wants.fits(found))
}

/// Does `text` have the form of `pattern`, in which `*` is any text or none? Takes time in the order of their lengths
/// multiplied, at worst.
pub fn like(pattern: &str, text: &str) -> bool {
    let [pattern, text] = [pattern, text].map(|it| it.to_lowercase().chars().collect::<Vec<_>>());
    let (mut at, mut read) = (0, 0);
    // Where the last star is, and how much of the text it was tried with.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(read) {
        match (pattern.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, read));
                at += 1;
            }
            (Some(same), _) if same == letter => (at, read) = (at + 1, read + 1),
            (_, Some((place, taken))) => {
                star = Some((place, taken + 1));
                (at, read) = (place + 1, taken + 1);
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == '*')
}

/// The names that the host of a found machine may have, the nicest first: its serial number, else the MAC it booted over.
pub fn names(found: Found<'_>) -> Vec<Name> {
    let serial = crate::identity::serial(found.inventory.serial.as_deref()).and_then(|serial| {
        let mut name = String::new();
        for letter in serial.to_lowercase().chars() {
            match letter {
                'a'..='z' | '0'..='9' => name.push(letter),
                _ if name.ends_with('-') => {}
                _ => name.push('-'),
            }
        }
        let name: String = name.trim_matches('-').chars().take(NAME).collect();
        name.trim_end_matches('-').parse().ok()
    });
    let mac = format!("mac-{}", found.boot_mac.to_string().replace(':', "")).parse().ok();
    serial.into_iter().chain(mac).collect()
}

/// The host that a found machine becomes in `pool` by `rule`: known by all that its agent found, and switched by hand until
/// somebody says otherwise. Nobody asked for it, so destroying it switches nothing off.
pub fn host(pool: &Name, rule: &Rule, found: Found<'_>) -> Spec {
    let traits = Traits::of(found.inventory, Some(found.boot_mac));
    let mode = if found.inventory.firmware == "bios" { Firmware::Bios } else { Firmware::Uefi };
    Spec {
        pool: pool.to_string(),
        labels: rule.labels.clone(),
        identity: Identity {
            boot_mac: Some(found.boot_mac),
            serial: traits.serial,
            uuid: traits.uuid,
            tpm: None,
        },
        boot: Boot { mode, methods: vec![BootMethod::Pxe], address: None },
        driver: Driver::Manual(Manual { webhook: None, credential: None }),
        protected: false,
        on_destroy: OnDestroy::Forget,
    }
}

/// What is wrong with rules.
pub(super) fn validate(rules: &[Rule], errors: &mut Vec<FieldError>) {
    if rules.len() > RULES {
        errors.push(FieldError::new("bind", format!("has more than {RULES} rules")));
        return;
    }
    for (at, rule) in rules.iter().enumerate() {
        let mut refuse = |attribute: &str, why: &str| {
            errors.push(FieldError::new(format!("bind.{at}.{attribute}"), why));
        };
        let wants = &rule.wants;
        if *wants == Match::default() {
            refuse(
                "match",
                "says nothing; to take every machine of a network, say so: match = { network = \"*\" }",
            );
        }
        let patterns = [
            ("match.network", &wants.network),
            ("match.vendor", &wants.vendor),
            ("match.product", &wants.product),
            ("match.serial", &wants.serial),
            ("match.mac", &wants.mac),
        ];
        for (attribute, pattern) in patterns {
            match pattern {
                Some(pattern) if pattern.is_empty() => {
                    refuse(attribute, "is empty; leave it out, or use \"*\"")
                }
                Some(pattern) if pattern.len() > 256 => refuse(attribute, "is longer than 256 bytes"),
                _ => {}
            }
        }
        for (attribute, word, words) in [
            ("match.arch", &wants.arch, ["x86_64", "aarch64"]),
            ("match.firmware", &wants.firmware, ["uefi", "bios"]),
        ] {
            let [one, other] = words;
            if word.as_ref().is_some_and(|word| !words.contains(&word.as_str())) {
                refuse(attribute, &format!("use \"{one}\" or \"{other}\""));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn machine() -> Inventory {
        Inventory {
            vendor: Some("Dell Inc.".into()),
            product: Some("PowerEdge R650".into()),
            serial: Some("7F3KZ12".into()),
            arch: "x86_64".into(),
            firmware: "uefi".into(),
            cpus: 32,
            memory: Bytes(256 << 30),
            ..Inventory::default()
        }
    }

    fn found(inventory: &Inventory) -> Found<'_> {
        Found { inventory, boot_mac: Mac([2, 0, 0, 0, 0, 0xa]), network: Some("boot") }
    }

    #[test]
    fn everything_that_a_rule_gives_must_hold() {
        let it = machine();
        let rule = |change: fn(&mut Match)| {
            let mut wants = Match { vendor: Some("dell*".into()), ..Match::default() };
            change(&mut wants);
            wants.fits(found(&it))
        };
        assert!(rule(|_| {}));
        assert!(rule(|wants| wants.memory = Some(Bytes(256 << 30))));
        assert!(!rule(|wants| wants.memory = Some(Bytes(512 << 30))));
        assert!(rule(|wants| wants.product = Some("*R65*".into())));
        assert!(!rule(|wants| wants.product = Some("R650".into())), "a pattern is of the whole text");
        assert!(!rule(|wants| wants.network = Some("lab-*".into())));
        assert!(!rule(|wants| wants.gpus = Some(1)));
        assert!(rule(|wants| wants.mac = Some("02:00:*:0A".into())));
        let nowhere = Found { network: None, ..found(&it) };
        assert!(!Match { network: Some("*".into()), ..Match::default() }.fits(nowhere));
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let it = machine();
        let rule = |vendor: &str, tier: &str| Rule {
            wants: Match { vendor: Some(vendor.into()), ..Match::default() },
            labels: [("tier".to_owned(), tier.to_owned())].into(),
        };
        let rules = [rule("HPE", "a"), rule("*", "b"), rule("Dell*", "c")];
        assert_eq!(first(&rules, found(&it)).map(|rule| rule.labels["tier"].as_str()), Some("b"));
        assert_eq!(first(&rules[..1], found(&it)), None);
    }

    #[test]
    fn a_host_is_named_after_its_serial_number_or_else_its_mac() {
        let names = |serial: &str| {
            let it = Inventory { serial: Some(serial.into()), ..machine() };
            super::names(found(&it)).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("7F3KZ12"), ["7f3kz12", "mac-02000000000a"]);
        assert_eq!(names(" ..VMware-42 1d  7a/"), ["vmware-42-1d-7a", "mac-02000000000a"]);
        assert_eq!(names("Default string"), ["mac-02000000000a"]);
        assert_eq!(names("///"), ["mac-02000000000a"]);
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        let mut errors = Vec::new();
        let arch = Rule { wants: Match { arch: Some("arm".into()), ..Match::default() }, ..Rule::default() };
        validate(&[Rule::default(), arch], &mut errors);
        let at: Vec<_> = errors.iter().map(|error| error.attribute.as_str()).collect();
        assert_eq!(at, ["bind.0.match", "bind.1.match.arch"]);
    }

    #[test]
    fn a_bound_host_is_a_valid_one() {
        let it = machine();
        let spec = host(&"gold".parse().expect("a name"), &Rule::default(), found(&it));
        crate::Spec::validate(&spec).expect("valid");
        assert_eq!(spec.identity.serial.as_deref(), Some("7F3KZ12"));
        crate::identity::check(&Identity { boot_mac: None, ..spec.identity }, &it).expect("it is itself");
    }

    proptest! {
        #[test]
        fn patterns_match_what_their_stars_were_made_from(parts in proptest::collection::vec("[a-c]{0,3}", 1..5)) {
            let text = parts.concat();
            prop_assert!(like(&parts.join("*"), &text));
            prop_assert!(like("*", &text) && like(&text, &text));
            let more = format!("{text}d");
            prop_assert!(!like(&more, &text));
        }

        #[test]
        fn any_serial_number_gives_a_name(serial in "\\PC{0,300}") {
            let it = Inventory { serial: Some(serial), ..machine() };
            let names = super::names(found(&it));
            prop_assert!((1..=2).contains(&names.len()));
        }

        #[test]
        fn hostile_patterns_end(stars in 1..120_usize) {
            let pattern = "*a".repeat(stars) + "b";
            prop_assert!(!like(&pattern, &"a".repeat(256)));
        }
    }
}
