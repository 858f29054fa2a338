//! The example provider keeps the rules.

use tempfile::TempDir;
use tfplugin::{
    cty::{Path, Value},
    testing::{Action, Core},
};

use crate::{provider::Things, thing::Name};

const A: &str = "thing_thing.a";

struct World {
    core: Core<Things>,
    directory: TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let mut core = Core::start(Things).await.unwrap();
        let config = Value::object([("directory", Value::from(directory.path().display().to_string()))]);
        core.configure(&config).await.unwrap();
        Self { core, directory }
    }

    fn attribute(&self, name: &str) -> Value {
        self.core.instance(A).unwrap().state.get(name).unwrap().clone()
    }
}

fn named(name: &str) -> Value {
    Value::object([("name", name.into())])
}

fn with(name: &str, more: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::object([("name", Value::from(name))].into_iter().chain(more))
}

#[tokio::test]
async fn a_plan_knows_what_it_can_and_nothing_more() {
    let mut world = World::new().await;
    let change =
        world.core.plan(A, &with("a", [("place", Value::object([("rack", "r1".into())]))])).await.unwrap();
    assert_eq!(change.action, Action::Create);
    assert_eq!(change.planned.get("size"), Some(&16.into()));
    assert_eq!(change.planned.get("id"), Some(&Value::Unknown));
    assert_eq!(change.planned.at(&Path::from("place.unit")), Some(&1.into()));
}

#[tokio::test]
async fn a_second_plan_is_empty() {
    let mut world = World::new().await;
    let place = Value::object([("rack", "r1".into())]);
    world.core.converge(A, &with("a", [("place", place), ("size", 20.into())])).await.unwrap();
    world.core.converge(A, &named("a")).await.unwrap();
    assert_eq!(world.attribute("revision"), 2.into());
}

#[tokio::test]
async fn a_kept_attribute_stays_known_when_another_changes() {
    let mut world = World::new().await;
    world.core.converge(A, &named("a")).await.unwrap();
    let change = world.core.plan(A, &with("a", [("size", 17.into())])).await.unwrap();
    assert_eq!(change.action, Action::Update);
    assert_eq!(change.planned.get("id"), Some(&"thing/a".into()));
    assert_eq!(change.planned.get("revision"), Some(&Value::Unknown));
}

#[tokio::test]
async fn a_new_name_replaces() {
    let mut world = World::new().await;
    world.core.converge(A, &named("a")).await.unwrap();
    let change = world.core.plan(A, &named("b")).await.unwrap();
    assert_eq!((change.action, change.replace.clone()), (Action::Replace, vec![Path::from("name")]));
    world.core.apply(change).await.unwrap();
    world.core.expect_empty(A, &named("b")).await.unwrap();
}

#[tokio::test]
async fn a_tainted_thing_is_replaced() {
    let mut world = World::new().await;
    world.core.converge(A, &named("a")).await.unwrap();
    world.core.taint(A);
    let change = world.core.plan(A, &named("a")).await.unwrap();
    assert_eq!(change.action, Action::Replace);
    world.core.apply(change).await.unwrap();
    assert!(!world.core.instance(A).unwrap().tainted);
}

#[tokio::test]
async fn a_failed_create_saves_nothing_and_a_failed_update_keeps_what_was() {
    let mut world = World::new().await;
    let change = world.core.plan(A, &named("refused")).await.unwrap();
    let error = world.core.apply(change).await.unwrap_err();
    assert_eq!(error.diagnostics().unwrap().iter().next().unwrap().summary, "refused cannot be made");
    assert!(world.core.instance(A).is_none());

    world.core.converge(A, &named("a")).await.unwrap();
    let before = world.core.instance(A).cloned();
    let change = world.core.plan(A, &with("a", [("size", 13.into())])).await.unwrap();
    world.core.apply(change).await.unwrap_err();
    assert_eq!(world.core.instance(A), before.as_ref());
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_create_is_healthy_and_resumed() {
    let mut world = World::new().await;
    let config = with("a", [("slow", "30m".into())]);
    let change = world.core.plan(A, &config).await.unwrap();
    world.core.interrupt().await.unwrap();
    let found = world.core.apply(change).await.unwrap();
    assert_eq!(found.iter().next().unwrap().summary, "a is not ready yet");
    assert!(!world.core.instance(A).unwrap().tainted);
    let change = world.core.plan(A, &config).await.unwrap();
    assert_eq!((change.action, change.planned.get("phase")), (Action::Update, Some(&Value::Unknown)));
    world.core.apply(change).await.unwrap();
    world.core.expect_empty(A, &config).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_warning() {
    let mut world = World::new().await;
    let timeouts = Value::object([("create", "1m".into())]);
    let change =
        world.core.plan(A, &with("a", [("slow", "30m".into()), ("timeouts", timeouts)])).await.unwrap();
    let found = world.core.apply(change).await.unwrap();
    assert!(!found.is_empty() && !found.has_errors());
    assert_eq!(world.attribute("phase"), "building".into());
}

#[tokio::test]
async fn a_write_only_value_is_read_and_never_stored() {
    let mut world = World::new().await;
    let config = with("a", [("password_wo", "secret".into()), ("password_wo_version", 1.into())]);
    world.core.converge(A, &config).await.unwrap();
    assert_eq!(world.attribute("password_wo"), Value::Null);
    let found = world.core.read_data("thing_thing", &named("a")).await.unwrap();
    assert_eq!(found.get("password_length"), Some(&6.into()));
}

#[tokio::test]
async fn what_is_gone_is_planned_anew() {
    let mut world = World::new().await;
    world.core.converge(A, &named("a")).await.unwrap();
    std::fs::remove_file(world.directory.path().join("a.json")).unwrap();
    assert_eq!(world.core.plan(A, &named("a")).await.unwrap().action, Action::Create);
    assert!(world.core.destroy(A).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_thing_is_imported_by_id_and_by_identity() {
    let mut world = World::new().await;
    world.core.converge(A, &named("a")).await.unwrap();
    assert_eq!(world.core.instance(A).unwrap().identity(), Some(&named("a")));
    world.core.import("thing_thing.b", "thing/a").await.unwrap();
    world.core.expect_empty("thing_thing.b", &named("a")).await.unwrap();
    world.core.import_by_identity("thing_thing.c", &Name { name: "a".into() }).await.unwrap();
    world.core.expect_empty("thing_thing.c", &named("a")).await.unwrap();
    world.core.import("thing_thing.d", "thing/nothing").await.unwrap_err();
}

#[tokio::test]
async fn old_state_is_upgraded() {
    let mut world = World::new().await;
    let state =
        world.core.upgrade("thing_thing", 0, r#"{"name":"a","megabytes":7,"gone":true}"#).await.unwrap();
    assert_eq!(state.get("size"), Some(&7.into()));
    let error = world.core.upgrade("thing_thing", 2, "{}").await.unwrap_err();
    assert!(error.diagnostics().unwrap().iter().next().unwrap().summary.contains("newer provider"));
}

#[tokio::test]
async fn values_known_only_at_apply_are_planned_as_unknown() {
    let mut world = World::new().await;
    let change =
        world.core.plan(A, &with("a", [("size", Value::Unknown), ("labels", Value::Unknown)])).await.unwrap();
    assert_eq!(change.planned.get("size"), Some(&Value::Unknown));
    world.core.apply_known(change, &with("a", [("size", 99.into())])).await.unwrap();
    assert_eq!(world.attribute("size"), 99.into());
}

#[tokio::test]
async fn errors_carry_the_attribute() {
    let mut world = World::new().await;
    let error = world.core.plan(A, &with("a", [("size", 0.into())])).await.unwrap_err();
    assert_eq!(error.diagnostics().unwrap().iter().next().unwrap().path, Some(Path::from("size")));
    let timeouts = Value::object([("create", "soon".into())]);
    let error = world.core.plan(A, &with("a", [("timeouts", timeouts)])).await.unwrap_err();
    assert_eq!(error.diagnostics().unwrap().iter().next().unwrap().path, Some(Path::from("timeouts.create")));
    let error = world.core.plan(A, &with("a", [("password_wo", "x".into())])).await.unwrap_err();
    assert_eq!(error.diagnostics().unwrap().iter().next().unwrap().summary, "No version");
}

#[tokio::test]
async fn a_plan_to_destroy_can_be_refused() {
    let mut world = World::new().await;
    let labels = Value::Map([("protected".to_owned(), "yes".into())].into());
    world.core.converge(A, &with("a", [("labels", labels)])).await.unwrap();
    let error = world.core.destroy(A).await.unwrap_err();
    assert_eq!(error.diagnostics().unwrap().iter().next().unwrap().summary, "a is protected");
    world.core.converge(A, &named("a")).await.unwrap();
    world.core.destroy(A).await.unwrap();
    assert!(world.core.instance(A).is_none());
}

#[tokio::test]
async fn ephemeral_resources_and_functions_answer() {
    let mut world = World::new().await;
    let (token, found) =
        world.core.open("thing_token", &Value::object([("subject", "me".into())])).await.unwrap();
    assert_eq!(token.get("token"), Some(&"token-of-me".into()));
    assert_eq!(found.iter().next().unwrap().summary, "The token of me, renewed ends");
    let shouted = world.core.call("shout", &["-".into(), "a".into(), "b".into()]).await.unwrap();
    assert_eq!(shouted, Ok("A-B".into()));
    assert_eq!(world.core.call("shout", &["-".into()]).await.unwrap(), Err("nothing to shout".to_owned()));
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_provider_lives_on() {
    let mut world = World::new().await;
    let change = world.core.plan(A, &named("panic")).await.unwrap();
    let error = world.core.apply(change).await.unwrap_err();
    assert!(error.diagnostics().unwrap().iter().next().unwrap().detail.contains("a thing named panic"));
    world.core.converge(A, &named("a")).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_not_offered_says_so() {
    use tfplugin::proto::tfplugin6::{generate_resource_config, plan_action, provider_server::Provider};
    let world = World::new().await;
    let service = world.core.service();
    let status = service.plan_action(tonic::Request::new(plan_action::Request::default())).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
    let request = tonic::Request::new(generate_resource_config::Request::default());
    assert_eq!(
        service.generate_resource_config(request).await.unwrap_err().code(),
        tonic::Code::Unimplemented
    );
}

#[tokio::test]
async fn a_resource_that_takes_over_no_other_says_so() {
    use tfplugin::proto::tfplugin6::{move_resource_state::Request, provider_server::Provider};
    let world = World::new().await;
    let request = Request {
        target_type_name: "thing_thing".into(),
        source_type_name: "x".into(),
        ..Default::default()
    };
    let answer =
        world.core.service().move_resource_state(tonic::Request::new(request)).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics[0].summary, "Unable to move a x to a thing_thing");
}

#[tokio::test]
async fn a_large_value_passes() {
    let mut world = World::new().await;
    let labels = Value::Map([("large".to_owned(), "x".repeat(6 << 20).into())].into());
    world.core.converge(A, &with("a", [("labels", labels)])).await.unwrap();
}

#[test]
fn the_documentation_is_complete() {
    let pages = tfplugin::docs::render(&Things, std::path::Path::new("examples/docs"));
    let paths: Vec<_> = pages.keys().map(|path| path.display().to_string()).collect();
    let expected = [
        "data-sources/thing.md",
        "ephemeral-resources/token.md",
        "functions/shout.md",
        "index.md",
        "resources/thing.md",
    ];
    assert_eq!(paths, expected);
    let page = &pages[std::path::Path::new("resources/thing.md")];
    let golden = std::fs::read_to_string("tests/fake_core/thing.md").unwrap_or_default();
    assert_eq!(*page, golden, "if this is meant, write the new page to tests/fake_core/thing.md:\n{page}");
}
