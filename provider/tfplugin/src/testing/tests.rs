//! A resource of any schema, under any configuration: plan, apply, plan is empty.
//!
//! The resource here stores what was planned, decides what is unknown, and decides anew, at every change, what only it
//! sets. All else is the SDK's work, and the fake core checks it against Terraform's rules.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use proptest::{collection, prelude::*};
use serde_json::Value as Json;

use super::{Action, Core};
use crate::{
    Catalog, Context, Diagnostics, Provider, Setup,
    cty::{
        Number, Type, Value,
        arbitrary::{Kind, any_type, any_value},
    },
    resource::{AnyResource, Draft, ImportId, MoveSource, Outcome},
    schema::{Attribute, Block, Flag, Nesting, Presence, Shape},
};

const A: &str = "any_object.a";

/// A resource of a schema that only the test knows.
struct Any {
    block: Block,
    changes: AtomicI64,
}

impl Any {
    /// The state after a change: whatever is only computed, and not kept, is new each time.
    fn change(&self, plan: &Value, kept: bool) -> Value {
        let change = self.changes.fetch_add(1, Ordering::Relaxed);
        let mut state = decide(plan, self.block.ty());
        if let Value::Object(fields) = &mut state {
            let ours = |attribute: &&Attribute| attribute.presence() == Presence::Computed;
            for attribute in self.block.attributes().iter().filter(ours) {
                if !(kept && attribute.has(Flag::Keep)) {
                    let value = match attribute.ty() {
                        Type::Number => change.into(),
                        Type::String => format!("change {change}").into(),
                        ty => decide(&Value::Unknown, &ty),
                    };
                    fields.insert(attribute.name().to_owned(), value);
                }
            }
        }
        state
    }
}

#[async_trait]
impl AnyResource<()> for Any {
    fn block(&self) -> &Block {
        &self.block
    }

    fn identity_block(&self) -> Option<&Block> {
        None
    }

    fn identity_of(&self, _state: &Value) -> Result<Option<Value>, Diagnostics> {
        Ok(None)
    }

    fn validate(&self, _config: &Value, _diagnostics: &mut Diagnostics) {}

    async fn modify_plan(&self, _cx: &mut Context<()>, _draft: &mut Draft) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn plan_destroy(&self, _cx: &mut Context<()>, _prior: &Value) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn create(&self, _cx: &mut Context<()>, plan: &Value, _config: &Value) -> Outcome<Value> {
        Ok(self.change(plan, false))
    }

    async fn read(&self, _cx: &mut Context<()>, state: &Value) -> Result<Option<Value>, Diagnostics> {
        Ok(Some(state.clone()))
    }

    async fn update(
        &self,
        _cx: &mut Context<()>,
        _prior: &Value,
        plan: &Value,
        _config: &Value,
    ) -> Outcome<Value> {
        Ok(self.change(plan, true))
    }

    async fn delete(&self, _cx: &mut Context<()>, _state: &Value) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn import(&self, _cx: &mut Context<()>, _id: ImportId) -> Result<Value, Diagnostics> {
        Ok(Value::Null)
    }

    async fn upgrade_state(&self, _version: i64, old: Json) -> Result<Json, Diagnostics> {
        Ok(old)
    }

    async fn move_state(&self, _source: MoveSource) -> Result<Option<Value>, Diagnostics> {
        Ok(None)
    }
}

/// Some value in place of everything unknown.
fn decide(value: &Value, ty: &Type) -> Value {
    let all = |of: &[Value], ty: &Type| of.iter().map(|value| decide(value, ty)).collect::<Vec<_>>();
    match (value, ty) {
        (Value::Unknown, Type::String) => "decided".into(),
        (Value::Unknown, Type::Number) => Value::Number(Number::from(42_i64)),
        (Value::Unknown, Type::Bool) => true.into(),
        (Value::Unknown, Type::List(_)) => Value::List(Vec::new()),
        (Value::Unknown, Type::Set(_)) => Value::Set(Vec::new()),
        (Value::Unknown, Type::Map(_)) => Value::Map([].into()),
        (Value::Unknown, Type::Object(of)) => {
            Value::object(of.iter().map(|(name, ty)| (name, decide(&Value::Unknown, ty))))
        }
        (Value::Unknown, Type::Tuple(of)) => {
            Value::Tuple(of.iter().map(|ty| decide(&Value::Unknown, ty)).collect())
        }
        (Value::Unknown, Type::Dynamic) => Value::Null,
        (Value::Object(fields), Type::Object(of)) => Value::object(
            of.iter().map(|(name, ty)| (name, decide(fields.get(name).unwrap_or(&Value::Null), ty))),
        ),
        (Value::List(of), Type::List(ty)) => Value::List(all(of, ty)),
        (Value::Set(of), Type::Set(ty)) => Value::set(all(of, ty)),
        (Value::Map(of), Type::Map(ty)) => {
            Value::Map(of.iter().map(|(key, value)| (key.clone(), decide(value, ty))).collect())
        }
        (value, _) => value.clone(),
    }
}

struct Provides(Block);

#[derive(Debug, tfplugin::Schema)]
struct Nothing;

#[async_trait]
impl Provider for Provides {
    type Config = Nothing;
    type Data = ();

    fn type_name(&self) -> &'static str {
        "any"
    }

    fn register(&self, catalog: &mut Catalog<()>) {
        catalog
            .resources
            .insert("any_object", Box::new(Any { block: self.0.clone(), changes: AtomicI64::new(0) }));
    }

    async fn configure(&self, _setup: &mut Setup, _config: Nothing) -> Result<(), Diagnostics> {
        Ok(())
    }
}

/// Any attribute of this name.
fn any_attribute(name: String) -> impl Strategy<Value = Attribute> {
    let presence = prop_oneof![
        Just(Presence::Required),
        Just(Presence::Optional),
        Just(Presence::OptionalComputed),
        Just(Presence::Computed),
    ];
    let plain = prop_oneof![6 => any_type(), 1 => Just(Type::Dynamic)].prop_map(Shape::Type).boxed();
    let shape = prop_oneof![2 => plain.clone(), 1 => any_nested(plain)];
    (presence, shape, any::<[bool; 3]>()).prop_map(move |(presence, shape, [keep, replace, write_only])| {
        let mut attribute = Attribute::new::<Value>(&name, "Any.", presence).shaped(shape);
        if keep && attribute.is_computed() {
            attribute = attribute.with(Flag::Keep);
        }
        if replace {
            attribute = attribute.with(Flag::RequiresReplace);
        }
        if write_only && !attribute.is_computed() {
            attribute = attribute.with(Flag::WriteOnly);
        }
        attribute
    })
}

/// Nested attributes of one level: a required, an optional and a computed one.
fn any_nested(plain: BoxedStrategy<Shape>) -> impl Strategy<Value = Shape> {
    let nesting =
        prop_oneof![Just(Nesting::Single), Just(Nesting::List), Just(Nesting::Set), Just(Nesting::Map)];
    (nesting, plain.clone(), plain.clone(), plain).prop_map(|(nesting, a, b, c)| {
        let one = |name, presence, shape| Attribute::new::<Value>(name, "Any.", presence).shaped(shape);
        let attributes = vec![
            one("required", Presence::Required, a),
            one("optional", Presence::Optional, b),
            one("computed", Presence::Computed, c).with(Flag::Keep),
        ];
        Shape::Nested(nesting, attributes)
    })
}

fn any_block() -> impl Strategy<Value = Block> {
    collection::btree_set("[a-e]", 1..5)
        .prop_flat_map(|names| names.into_iter().map(any_attribute).collect::<Vec<_>>())
        .prop_map(|attributes| Block::new("Any.", attributes))
}

/// Any configuration of these attributes: required ones set, computed ones not.
fn any_config(attributes: &[Attribute]) -> BoxedStrategy<Value> {
    let names: Vec<_> = attributes.iter().map(|attribute| attribute.name().to_owned()).collect();
    let values: Vec<_> = attributes.iter().map(any_setting).collect();
    values.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
}

fn any_setting(attribute: &Attribute) -> BoxedStrategy<Value> {
    let set = match attribute.shape() {
        Shape::Type(ty) => any_value(ty, Kind::State),
        Shape::Nested(nesting, nested) => {
            let object = any_config(nested);
            match nesting {
                Nesting::Single => object,
                Nesting::List => collection::vec(object, 0..3).prop_map(Value::List).boxed(),
                Nesting::Set => collection::vec(object, 0..3).prop_map(Value::set).boxed(),
                Nesting::Map => {
                    collection::btree_map("[a-z]{1,3}", object, 0..3).prop_map(Value::Map).boxed()
                }
            }
        }
    };
    match attribute.presence() {
        Presence::Computed => Just(Value::Null).boxed(),
        Presence::Required => {
            set.prop_filter("a required attribute is set", |value| !value.is_null()).boxed()
        }
        Presence::Optional | Presence::OptionalComputed => prop_oneof![set, Just(Value::Null)].boxed(),
    }
}

/// Any schema and two configurations of it.
fn any_story() -> impl Strategy<Value = (Block, Value, Value)> {
    any_block().prop_flat_map(|block| {
        let configs = (any_config(block.attributes()), any_config(block.attributes()));
        configs.prop_map(move |(first, second)| (block.clone(), first, second))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn after_an_apply_the_plan_is_empty((block, first, second) in any_story()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let story = async {
            let mut core = Core::start(Provides(block)).await?;
            core.converge(A, &first).await?;
            core.converge(A, &second).await?;
            core.destroy(A).await
        };
        if let Err(error) = runtime.block_on(story) {
            return Err(TestCaseError::fail(error.to_string()));
        }
    }

    #[test]
    fn a_plan_with_unknown_values_holds_at_apply((block, first, second) in any_story()) {
        let unknown: Value = Value::object(second.entries().unwrap().iter().map(|(name, value)| {
            (name, if value.is_null() { Value::Null } else { Value::Unknown })
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let story = async {
            let mut core = Core::start(Provides(block)).await?;
            core.converge(A, &first).await?;
            let change = core.plan(A, &unknown).await?;
            if change.action != Action::NoOp {
                core.apply_known(change, &second).await?;
                core.expect_empty(A, &second).await?;
            }
            core.destroy(A).await
        };
        if let Err(error) = runtime.block_on(story) {
            return Err(TestCaseError::fail(error.to_string()));
        }
    }
}
