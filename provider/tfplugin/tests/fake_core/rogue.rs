//! A resource that breaks the rule its name says, and is caught.

use tfplugin::{
    Attr, Catalog, Context, Diagnostics, Provider, Resource, Schema, Setup, async_trait,
    cty::Value,
    resource::{Change, Failure, New, Outcome, Plan},
    testing::{Core, Rule},
};

/// Nothing to configure.
#[derive(Debug, Schema)]
struct Nothing;

/// An object that does what its name says.
#[derive(Debug, Clone, Schema)]
struct Model {
    /// The rule to break.
    #[tf(required)]
    name: Attr<String>,
    /// Set by the configuration or not at all.
    #[tf(optional)]
    plain: Attr<String>,
    /// A secret.
    #[tf(optional, write_only)]
    secret_wo: Attr<String>,
    /// Set by the provider.
    #[tf(computed)]
    computed: Attr<String>,
}

struct Rogue;

#[async_trait]
impl Provider for Rogue {
    type Config = Nothing;
    type Data = ();

    fn type_name(&self) -> &'static str {
        "rogue"
    }

    fn register(&self, catalog: &mut Catalog<()>) {
        catalog.resource(Rogue);
    }

    async fn configure(&self, _setup: &mut Setup, _config: Nothing) -> Result<(), Diagnostics> {
        Ok(())
    }
}

#[async_trait]
impl Resource for Rogue {
    type Data = ();
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "rogue_object"
    }

    async fn modify_plan(&self, _cx: &mut Context<()>, plan: &mut Plan<Model>) -> Result<(), Diagnostics> {
        match plan.planned.name.as_str() {
            "invalid plan" => plan.planned.plain = "chosen by the provider".into(),
            "no such path" => plan.require_replace("nothing"),
            "promises" => plan.planned.computed = "promised".into(),
            "never settles" => plan.planned.computed = Attr::Unknown,
            _ => {}
        }
        Ok(())
    }

    async fn create(&self, _cx: &mut Context<()>, new: New<Model>) -> Outcome<Model> {
        let mut state = new.plan;
        // What the SDK drops even if the provider tries to store it.
        state.secret_wo = new.config.secret_wo;
        match state.name.as_str() {
            "forgets" => return Ok(state),
            "fails with state" => {
                state.computed = "half".into();
                let mut found = Diagnostics::new();
                found.error("half made", "");
                return Err(Failure::with_state(found, state));
            }
            "promises" => state.computed = "something else".into(),
            "inconsistent" => state.plain = "changed".into(),
            _ => state.computed = "made".into(),
        }
        Ok(state)
    }

    async fn read(&self, _cx: &mut Context<()>, mut state: Model) -> Result<Option<Model>, Diagnostics> {
        if state.name.as_str() == "unknown read" {
            state.computed = Attr::Unknown;
        }
        Ok(Some(state))
    }

    async fn update(&self, _cx: &mut Context<()>, change: Change<Model>) -> Outcome<Model> {
        Ok(Model { computed: "updated".into(), ..change.plan })
    }

    async fn delete(&self, _cx: &mut Context<()>, _state: Model) -> Result<(), Diagnostics> {
        Ok(())
    }
}

const A: &str = "rogue_object.a";

fn named(name: &str) -> Value {
    Value::object([("name", name.into()), ("secret_wo", "canary".into())])
}

async fn core() -> Core<Rogue> {
    Core::start(Rogue).await.unwrap()
}

/// The rule that making such an object breaks.
async fn broken(name: &str) -> Option<Rule> {
    core().await.converge(A, &named(name)).await.err().and_then(|error| error.rule())
}

#[tokio::test]
async fn a_plan_may_not_choose_what_only_the_configuration_sets() {
    assert_eq!(broken("invalid plan").await, Some(Rule::InvalidPlan));
}

#[tokio::test]
async fn a_result_may_not_differ_from_the_plan() {
    assert_eq!(broken("inconsistent").await, Some(Rule::InconsistentResult));
    assert_eq!(broken("promises").await, Some(Rule::InconsistentResult));
}

#[tokio::test]
async fn a_replacement_names_an_attribute_that_exists() {
    assert_eq!(broken("no such path").await, Some(Rule::NoSuchPath));
}

#[tokio::test]
async fn a_plan_that_never_settles_is_caught() {
    assert_eq!(broken("never settles").await, Some(Rule::NotEmpty));
}

#[tokio::test]
async fn an_honest_object_breaks_no_rule() {
    assert_eq!(broken("honest").await, None);
}

#[tokio::test]
async fn what_was_left_unknown_is_null_under_a_warning() {
    let mut core = core().await;
    let change = core.plan(A, &named("forgets")).await.unwrap();
    let found = core.apply(change).await.unwrap();
    assert_eq!(found.iter().next().unwrap().summary, "The provider left computed unknown after apply");
    assert!(!core.instance(A).unwrap().tainted);
}

#[tokio::test]
async fn an_unknown_read_is_an_error() {
    let mut core = core().await;
    let change = core.plan(A, &named("unknown read")).await.unwrap();
    core.apply(change).await.unwrap();
    let error = core.refresh(A).await.unwrap_err();
    assert_eq!(
        error.diagnostics().unwrap().iter().next().unwrap().summary,
        "The provider returned an unknown computed"
    );
}

#[tokio::test]
async fn an_error_with_state_after_create_taints() {
    let mut core = core().await;
    let change = core.plan(A, &named("fails with state")).await.unwrap();
    core.apply(change).await.unwrap_err();
    let instance = core.instance(A).unwrap();
    assert!(instance.tainted);
    assert_eq!(instance.state.get("secret_wo"), Some(&Value::Null));
}
