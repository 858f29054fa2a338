//! Who wins, what is missing, and what a digest notices.

use serde_json::json;

use super::*;
use crate::profile::{Content, Declaration, File};

fn declared(ty: &str, required: bool, secret: bool) -> Declaration {
    Declaration { ty: ty.parse().expect("a type"), required, secret, description: String::new() }
}

fn lender(name: &str, values: Values) -> Lender {
    let schema = [
        ("ntp".into(), declared("list(string)", true, false)),
        ("mtu".into(), declared("number", false, false)),
        ("key".into(), declared("string", false, true)),
    ];
    let spec = Spec { schema: schema.into(), values, ..Spec::default() };
    Lender { id: ObjectId::new(), name: name.into(), spec }
}

fn values(pairs: &[(&str, Value)]) -> Values {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn machine(values: Values) -> machine::Spec {
    machine::Spec {
        hostname: "web-0".into(),
        image: String::new(),
        host: None,
        require: None,
        spread: None,
        root: machine::RootHint::default(),
        volumes: Default::default(),
        network: None,
        ssh_keys: Vec::new(),
        user_data_digest: None,
        profiles: vec!["web".into(), "base".into()],
        values,
        secret_values: None,
        steps: Default::default(),
        allow_disruption: machine::Disruption::None,
        redeploy: machine::Redeploy::default(),
        wait_for: machine::WaitFor::Booted,
    }
}

fn family() -> Inheritance {
    Inheritance {
        missing: Vec::new(),
        profiles: vec![
            lender("web", values(&[("mtu", json!(9000))])),
            lender("base", values(&[("mtu", json!(1500)), ("ntp", json!(["profile"]))])),
        ],
        pool: Some(("general".into(), values(&[("ntp", json!(["pool"])), ("other", json!(1))]))),
        site: Some(("berlin".into(), values(&[("ntp", json!(["site"]))]))),
    }
}

fn from(inheritance: &Inheritance, machine: &machine::Spec, name: &str) -> (String, Value) {
    let (resolved, faults) = inheritance.resolve(machine);
    assert_eq!(faults, []);
    let given = &resolved.0[name];
    let origin = match given.from.clone().expect("given") {
        Origin::Machine => "machine".into(),
        Origin::Profile(_, name) | Origin::Pool(name) | Origin::Site(name) => name,
    };
    (origin, given.value.clone().expect("a value"))
}

#[test]
fn the_closest_to_the_machine_wins() {
    let mut family = family();
    let own = machine(values(&[("mtu", json!(1400))]));
    assert_eq!(from(&family, &own, "mtu"), ("machine".into(), json!(1400)));
    let plain = machine(Values::new());
    assert_eq!(from(&family, &plain, "mtu"), ("web".into(), json!(9000)), "the first profile that gives it");
    assert_eq!(from(&family, &plain, "ntp"), ("base".into(), json!(["profile"])));
    family.profiles[1].spec.values.remove("ntp");
    assert_eq!(from(&family, &plain, "ntp"), ("general".into(), json!(["pool"])));
    family.pool = None;
    assert_eq!(from(&family, &plain, "ntp"), ("berlin".into(), json!(["site"])));
}

fn said(inheritance: &Inheritance, machine: &machine::Spec) -> Vec<String> {
    let (_, faults) = inheritance.resolve(machine);
    faults.iter().map(|fault| format!("{}: {}", fault.attribute, fault.message)).collect()
}

#[test]
fn what_is_required_and_given_by_nobody_is_named() {
    let bare = Inheritance { profiles: vec![lender("base", Values::new())], ..Inheritance::default() };
    let said = said(&bare, &machine(Values::new()));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("values: profile base requires \"ntp\" (list(string))"), "{said:?}");
}

#[test]
fn what_does_not_fit_is_blamed_on_who_gave_it() {
    let mut family = family();
    family.profiles[1].spec.values.remove("ntp");
    family.pool = Some(("general".into(), values(&[("ntp", json!("one"))])));
    let said = said(&family, &machine(values(&[("mtu", json!("big")), ("mut", json!(1))])));
    assert_eq!(
        said,
        [
            "profiles: pool general: \"ntp\" is a string and must be list(string)",
            "values: \"mtu\" is a string and must be number",
            "values: no profile of this machine declares \"mut\"; declare it in the schema of one, or leave it out",
        ]
    );
}

#[test]
fn two_profiles_that_disagree_on_a_type_are_named() {
    let mut family = family();
    family.profiles[1].spec.schema.insert("mtu".into(), declared("string", false, false));
    family.profiles[1].spec.values.remove("mtu");
    let said = said(&family, &machine(Values::new()));
    assert!(
        said[0].starts_with("profiles.1: profile base declares \"mtu\" as string, and profile web as number"),
        "{said:?}"
    );
}

#[test]
fn a_secret_is_known_by_type_and_version_only() {
    let mut family = family();
    let types = [("key".to_owned(), "string".parse().expect("a type"))];
    family.profiles[1].spec.secret_values = Some(SecretValues { version: 3, types: types.into() });
    let (resolved, faults) = family.resolve(&machine(Values::new()));
    assert_eq!(faults, []);
    let key = &resolved.0["key"];
    assert_eq!((key.secret, key.version, &key.value), (true, Some(3), &None));
    let open = said(&family, &machine(values(&[("key", json!("hunter2"))])));
    assert!(open[0].contains("secret_values_wo") && !open[0].contains("hunter2"), "{open:?}");
}

#[test]
fn a_file_that_cannot_be_filled_in_is_named_before_anything_is_touched() {
    let mut family = family();
    let content = Content::Template("key={{key}}\n".into());
    let file = File { content, mode: "0600".into(), owner: "root:root".into() };
    family.profiles[0].spec.files.insert("/etc/app.conf".into(), file);
    let said = said(&family, &machine(Values::new()));
    assert!(
        said[0].starts_with("profiles: profile web, file \"/etc/app.conf\": attribute \"key\" has no value"),
        "{said:?}"
    );
}

#[test]
fn the_digest_notices_what_is_inherited_and_nothing_that_the_machine_overrules() {
    let (mut family, plain) = (family(), machine(Values::new()));
    let own = machine(values(&[("mtu", json!(1400))]));
    let (before, own_before) = (family.digest(&plain), family.digest(&own));
    assert!(before.is_some());
    family.profiles[0].spec.values.insert("mtu".into(), json!(8000));
    assert_ne!(family.digest(&plain), before);
    assert_eq!(family.digest(&own), own_before);
    assert_eq!(Inheritance::default().digest(&plain), None, "without profiles nothing is inherited");
}
