//! Plan, apply, change, replace, import, destroy.

use crate::cli::Cli;

#[test]
fn a_thing_lives_and_dies() {
    let Some(cli) = Cli::new() else { return };
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n  place = { rack = \"r1\" }\n}");
    cli.plan().expect(2).says("# thing_thing.a will be created").says("unit = 1");
    cli.apply().expect(0).says("1 added, 0 changed, 0 destroyed");
    cli.plan().expect(0);
    assert_eq!(cli.names(), ["a"]);

    cli.configure(
        "resource \"thing_thing\" \"a\" {\n  name = \"a\"\n  size = 8\n  labels = { x = \"1\" }\n}",
    );
    cli.plan().expect(2).says("will be updated in-place").says("Warning: a shrinks");
    cli.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    cli.plan().expect(0);

    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"b\"\n}");
    cli.plan().expect(2).says("must be replaced").says("# forces replacement");
    cli.apply().expect(0).says("1 added, 0 changed, 1 destroyed");
    cli.plan().expect(0);
    assert_eq!(cli.names(), ["b"]);

    cli.forget();
    cli.run(&["import", "-no-color", "thing_thing.a", "thing/b"]).expect(0);
    cli.plan().expect(0);

    cli.run(&["destroy", "-no-color", "-auto-approve"]).expect(0).says("1 destroyed");
    assert!(cli.names().is_empty());
}

#[test]
fn errors_name_the_attribute_and_lose_nothing() {
    let Some(cli) = Cli::new() else { return };
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n  size = 2000\n}");
    cli.plan().expect(1).says("on main.tf line 8").says("must be from 1 to 1024, not 2000");

    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"refused\"\n}");
    cli.apply().expect(1).says("refused cannot be made");
    cli.plan().expect(2).says("1 to add, 0 to change, 0 to destroy");

    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"panic\"\n}");
    cli.apply().expect(1).says("its code panicked with: a thing named panic");

    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n}");
    cli.apply().expect(0);
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n  size = 13\n}");
    cli.apply().expect(1).says("a cannot have size 13");
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n}");
    cli.plan().expect(0);

    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n  labels = { protected = \"yes\" }\n}");
    cli.apply().expect(0);
    cli.run(&["plan", "-no-color", "-destroy"]).expect(1).says("a is protected");
}

#[test]
fn a_secret_reaches_the_provider_and_no_file() {
    let Some(cli) = Cli::new() else { return };
    cli.configure(
        r#"
ephemeral "thing_token" "t" {
  subject = "canary"
}
resource "thing_thing" "a" {
  name                = "a"
  password_wo         = ephemeral.thing_token.t.token
  password_wo_version = 1
}
data "thing_thing" "a" {
  name       = "a"
  depends_on = [thing_thing.a]
}
output "length" {
  value = data.thing_thing.a.password_length
}
output "shout" {
  value = provider::thing::shout("-", "a", thing_thing.a.id)
}
"#,
    );
    cli.apply().expect(0);
    cli.plan().expect(0);
    let length = "token-of-canary".len().to_string();
    cli.run(&["output", "-raw", "length"]).expect(0).says(&length);
    cli.run(&["output", "-raw", "shout"]).expect(0).says("A-THING/A");
    let state = cli.state();
    assert!(state.contains("\"password_wo\": null"), "{state}");
    assert!(!state.contains("token-of-canary"), "{state}");

    cli.configure("output \"shout\" {\n  value = provider::thing::shout(\"-\")\n}");
    cli.plan().expect(1).says("nothing to shout");
}

#[test]
fn a_provider_that_depends_on_a_resource_is_configured_late() {
    let Some(cli) = Cli::new() else { return };
    let directory = cli.things().display().to_string();
    cli.configure(&format!(
        "resource \"terraform_data\" \"d\" {{\n  input = \"{directory}\"\n}}\n\
         provider \"thing\" {{\n  directory = terraform_data.d.output\n}}\n\
         resource \"thing_thing\" \"a\" {{\n  name = \"a\"\n}}"
    ));
    cli.plan().expect(2);
    cli.apply().expect(0).says("2 added");
    cli.plan().expect(0);
}

#[test]
fn another_type_of_object_is_taken_over() {
    let Some(cli) = Cli::new() else { return };
    cli.configure("resource \"terraform_data\" \"old\" {\n  input = \"a\"\n}");
    cli.apply().expect(0);
    std::fs::write(cli.things().join("a.json"), r#"{"size":16,"revision":3}"#).unwrap();
    cli.configure(
        "resource \"thing_thing\" \"a\" {\n  name = \"a\"\n}\n\
         moved {\n  from = terraform_data.old\n  to = thing_thing.a\n}",
    );
    cli.apply().expect(0).says("0 added, 0 changed, 0 destroyed");
    cli.plan().expect(0);
    assert!(cli.state().contains("\"revision\": 3"));
}

#[test]
fn without_tls_it_works_as_well() {
    let Some(cli) = Cli::new() else { return };
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n}");
    let output = cli.command(&["apply", "-auto-approve"]).env("TF_DISABLE_PLUGIN_TLS", "1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_log_goes_to_the_host_in_its_own_form() {
    let Some(cli) = Cli::new() else { return };
    cli.configure("resource \"thing_thing\" \"a\" {\n  name = \"a\"\n}");
    let output = cli.command(&["plan"]).env("TF_LOG_PROVIDER", "debug").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let line = log.lines().find(|line| line.contains("call=PlanResourceChange")).unwrap_or_default();
    assert!(line.contains("[DEBUG] provider.terraform-provider-thing: call:"), "{log}");
    assert_eq!(log.matches("call=GetProviderSchema").count(), 1, "the schema is cached: {log}");
}
