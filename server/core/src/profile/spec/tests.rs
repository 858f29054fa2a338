//! What a profile refuses of itself.

use serde_json::json;

use super::*;
use crate::Spec as _;

fn declared(ty: &str, secret: bool) -> Declaration {
    Declaration { ty: ty.parse().expect("a type"), required: false, secret, description: String::new() }
}

fn spec() -> Spec {
    Spec {
        schema: [
            ("ntp.servers".into(), declared("list(string)", false)),
            ("root.hash".into(), declared("string", true)),
        ]
        .into(),
        ..Spec::default()
    }
}

fn file(content: Content) -> File {
    File { content, mode: "0644".into(), owner: "root:root".into() }
}

fn said(spec: &Spec) -> String {
    let errors = spec.validate().expect_err("a fault");
    errors
        .iter()
        .map(|error| format!("{}: {}", error.attribute, error.message))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn values_are_held_against_the_schema() {
    let good = Spec { values: [("ntp.servers".into(), json!(["10.0.0.1"]))].into(), ..spec() };
    good.validate().expect("a good profile");
    let wrong = Spec { values: [("ntp.servers".into(), json!([7]))].into(), ..spec() };
    assert_eq!(said(&wrong), "values: \"ntp.servers\" [0] is a number and must be string");
    let unknown = Spec { values: [("ntp.server".into(), json!("x"))].into(), ..spec() };
    assert!(said(&unknown).contains("\"ntp.server\" is not in schema"));
}

#[test]
fn a_secret_does_not_stand_in_the_clear_and_its_value_is_not_repeated() {
    let open = Spec { values: [("root.hash".into(), json!("hunter2"))].into(), ..spec() };
    let said = said(&open);
    assert!(said.contains("secret_values_wo") && !said.contains("hunter2"), "{said}");
}

#[test]
fn what_is_known_of_a_secret_is_its_type() {
    let values: Values = [("root.hash".into(), json!("$6$x"))].into();
    let known = SecretValues::of(1, &values).expect("types");
    Spec { secret_values: Some(known), ..spec() }.validate().expect("a good profile");
    let number = SecretValues::of(1, &[("root.hash".into(), json!(7))].into()).expect("types");
    let said = said(&Spec { secret_values: Some(number), ..spec() });
    assert_eq!(said, "secret_values_wo: \"root.hash\" is number and must be string");
    SecretValues::of(1, &[("x".into(), json!([]))].into()).expect_err("it has no type");
}

#[test]
fn files_have_sound_paths_modes_owners_and_templates() {
    let with = |path: &str, file: File| Spec { files: [(path.to_owned(), file)].into(), ..spec() };
    let text = || Content::Plain("x".into());
    with("/etc/motd", file(text())).validate().expect("a good profile");
    for path in ["etc/motd", "/etc/../shadow", "/etc//motd", "/etc/motd/", "/a\nb"] {
        assert!(said(&with(path, file(text()))).contains("absolute path"), "{path}");
    }
    assert!(said(&with("/a", File { mode: "rw".into(), ..file(text()) })).contains("octal"));
    assert!(said(&with("/a", File { owner: "root; reboot".into(), ..file(text()) })).contains("USER:GROUP"));
    let template = Content::Template("{{ntp.servers}}".into());
    assert!(said(&with("/a", file(template))).contains("{{json ntp.servers}}"));
}
