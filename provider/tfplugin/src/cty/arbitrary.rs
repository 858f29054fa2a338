//! Any type and any value of it, for property tests.

use proptest::{collection, prelude::*};

use super::{Dynamic, Number, Type, Value};

/// Any type without dynamic parts; `dynamic()` adds those.
pub(crate) fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![Just(Type::String), Just(Type::Number), Just(Type::Bool)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_map(Type::set),
            inner.clone().prop_map(Type::map),
            collection::vec(inner.clone(), 0..3).prop_map(Type::Tuple),
            collection::btree_map("[a-c]", inner, 0..3).prop_map(Type::Object),
        ]
    })
}

/// Any number: of every form, and some with more digits than an `f64` has.
pub(crate) fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("NaN", Number::from_f64_exact),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,2})?".prop_map(|text| text.parse().expect("is a number")),
    ]
}

/// Whether unknown and infinite values may appear; JSON has neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wire,
    State,
}

/// Any value of a type.
pub(crate) fn any_value(ty: &Type, kind: Kind) -> BoxedStrategy<Value> {
    let known = match ty {
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::Number => any_number()
            .prop_filter("finite", move |number| kind == Kind::Wire || number.as_f64().is_finite())
            .prop_map(Value::Number)
            .boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::List(of) => collection::vec(any_value(of, kind), 0..4).prop_map(Value::List).boxed(),
        Type::Set(of) => collection::vec(any_value(of, kind), 0..4).prop_map(Value::set).boxed(),
        Type::Map(of) => {
            collection::btree_map(any::<String>(), any_value(of, kind), 0..4).prop_map(Value::Map).boxed()
        }
        Type::Tuple(of) => {
            of.iter().map(|ty| any_value(ty, kind)).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        Type::Object(of) => {
            let names: Vec<_> = of.keys().cloned().collect();
            let values: Vec<_> = of.values().map(|ty| any_value(ty, kind)).collect();
            values.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
        }
        Type::Dynamic => any_type()
            .prop_flat_map(move |ty| any_value(&ty, kind).prop_map(move |value| (ty.clone(), value)))
            .prop_map(|(ty, value)| match value {
                Value::Unknown => Value::Unknown,
                value => Value::Dynamic(Box::new(Dynamic { ty, value })),
            })
            .boxed(),
    };
    match kind {
        Kind::Wire => prop_oneof![8 => known, 1 => Just(Value::Null), 1 => Just(Value::Unknown)].boxed(),
        Kind::State => prop_oneof![8 => known, 1 => Just(Value::Null)].boxed(),
    }
}

/// Any type and a value of it.
pub(crate) fn typed(kind: Kind) -> impl Strategy<Value = (Type, Value)> {
    let ty = prop_oneof![9 => any_type(), 1 => Just(Type::Dynamic), 1 => Just(Type::list(Type::Dynamic))];
    ty.prop_flat_map(move |ty| any_value(&ty, kind).prop_map(move |value| (ty.clone(), value)))
}
