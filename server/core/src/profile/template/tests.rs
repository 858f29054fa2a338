//! What templates become, what they refuse, and that no text makes them do anything else.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn value(name: &str) -> Option<Value> {
    match name {
        "host" => Some(json!("web-0")),
        "mtu" => Some(json!(9000)),
        "ntp.servers" => Some(json!(["10.0.0.1", "10.0.0.2"])),
        "quote" => Some(json!("it's")),
        "on" => Some(json!(true)),
        "off" => Some(json!(false)),
        "none" => Some(json!([])),
        _ => None,
    }
}

fn filled(text: &str) -> String {
    Template::parse(text).expect("a template").render(&value).expect("filled in")
}

#[test]
fn values_stand_where_their_places_are() {
    assert_eq!(filled("{{host}} has {{ mtu }}"), "web-0 has 9000");
    assert_eq!(filled("servers: {{json ntp.servers}}"), r#"servers: ["10.0.0.1","10.0.0.2"]"#);
    assert_eq!(filled("NAME={{shell quote}}"), r"NAME='it'\''s'");
    assert_eq!(filled("no places { } }} at all"), "no places { } }} at all");
}

#[test]
fn a_section_is_there_for_each_element_and_its_lines_leave_no_line() {
    let text = "# chrony\n{{#ntp.servers}}\nserver {{.}} iburst\n{{/ntp.servers}}\n{{#absent}}\nnever\n{{/absent}}\nrtcsync\n";
    assert_eq!(filled(text), "# chrony\nserver 10.0.0.1 iburst\nserver 10.0.0.2 iburst\nrtcsync\n");
    assert_eq!(filled("{{#ntp.servers}}{{.}} {{/ntp.servers}}"), "10.0.0.1 10.0.0.2 ");
    assert_eq!(filled("{{host}} {{#on}}\nx{{/on}}"), "web-0 \nx", "the tag shares its line");
}

#[test]
fn a_section_can_stand_for_what_is_not_there() {
    assert_eq!(filled("{{#on}}a{{/on}}{{^on}}b{{/on}}{{#off}}c{{/off}}{{^off}}d{{/off}}"), "ad");
    assert_eq!(filled("{{^none}}no list{{/none}}{{^absent}}, nothing{{/absent}}"), "no list, nothing");
    assert_eq!(filled("{{#mtu}}mtu={{.}}{{/mtu}}"), "mtu=9000");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let refused = |text: &str| Template::parse(text).expect_err(text).to_string();
    assert!(refused("a\nb {{host").starts_with("line 2: \"{{\" is not closed"));
    assert!(refused("{{host | upper}}").contains("{{host | upper}}"));
    assert!(refused("{{exec host}}").contains("nothing that can be filled in"));
    assert!(refused("{{#a}}\n{{#b}}\n{{/a}}").starts_with("line 3: \"{{/a}}\" ends no section"));
    assert!(refused("{{#a}}").contains("\"{{#a}}\" has no \"{{/a}}\""));
    assert_eq!(Template::parse(&"{{#a}}".repeat(9)), Err(TemplateError::Deep));
}

#[test]
fn a_value_that_nobody_gives_is_an_error_and_no_empty_text() {
    let template = Template::parse("x {{absent}}").expect("a template");
    assert_eq!(template.render(&value), Err(TemplateError::Absent { name: "absent".into() }));
    let template = Template::parse("{{ntp.servers}}").expect("a template");
    assert_eq!(template.render(&value), Err(TemplateError::NotPlain { name: "ntp.servers".into() }));
}

#[test]
fn places_are_held_against_the_schema() {
    let declared = |ty: &str| Declaration {
        ty: ty.parse().expect("a type"),
        required: false,
        secret: false,
        description: String::new(),
    };
    let schema =
        [("list".to_owned(), declared("list(string)")), ("text".to_owned(), declared("string"))].into();
    let faults = |text: &str| Template::parse(text).expect("a template").faults(&schema);
    assert!(faults("{{text}} {{json list}} {{#list}}{{.}}{{/list}} {{#text}}{{.}}{{/text}}").is_empty());
    assert_eq!(faults("{{other}}"), ["\"other\" is not in schema"]);
    assert_eq!(faults("{{.}}").len(), 1);
    assert_eq!(faults("{{shell list}}{{^list}}{{.}}{{/list}}").len(), 2);
}

#[test]
fn what_is_filled_in_is_bounded() {
    let text = format!("{{{{#ntp.servers}}}}{}{{{{/ntp.servers}}}}", "x".repeat(RENDERED - 10));
    assert_eq!(Template::parse(&text).expect("a template").render(&value), Err(TemplateError::Long));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r"([a-z.\n ]|\{\{|\}\}|#|/|\^|json ){0,60}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.faults(&BTreeMap::new());
            let _ = template.render(&value);
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_template(given in ".{0,40}") {
        let template = Template::parse("{{x}}").expect("a template");
        prop_assert_eq!(template.render(&|_| Some(json!(given))).expect("filled in"), given);
    }
}
