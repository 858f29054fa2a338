//! Schemas as the protocol carries them.

use super::{Attribute, Block, Flag, Nesting, Presence, Shape};
use crate::proto::tfplugin6 as pb;

impl Block {
    pub(crate) fn to_proto(&self) -> pb::Schema {
        pb::Schema {
            version: self.version(),
            block: Some(pb::schema::Block {
                version: self.version(),
                attributes: attributes(self.attributes()),
                description: self.description().to_owned(),
                description_kind: pb::StringKind::Markdown.into(),
                ..Default::default()
            }),
        }
    }
}

/// Sorted by name, as hosts list them.
fn attributes(attributes: &[Attribute]) -> Vec<pb::schema::Attribute> {
    let mut all: Vec<_> = attributes.iter().map(attribute).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn attribute(attribute: &Attribute) -> pb::schema::Attribute {
    let (ty, nested_type) = match attribute.shape() {
        Shape::Type(ty) => (ty.to_json(), None),
        Shape::Nested(nesting, nested) => (Vec::new(), Some(object(*nesting, nested))),
    };
    let presence = attribute.presence();
    pb::schema::Attribute {
        name: attribute.name().to_owned(),
        r#type: ty,
        nested_type,
        description: attribute.description().to_owned(),
        description_kind: pb::StringKind::Markdown.into(),
        required: presence == Presence::Required,
        optional: matches!(presence, Presence::Optional | Presence::OptionalComputed),
        computed: attribute.is_computed(),
        sensitive: attribute.has(Flag::Sensitive),
        write_only: attribute.has(Flag::WriteOnly),
        deprecated: attribute.deprecation().is_some(),
        deprecation_message: attribute.deprecation().unwrap_or_default().to_owned(),
    }
}

fn object(nesting: Nesting, nested: &[Attribute]) -> pb::schema::Object {
    use pb::schema::object::NestingMode;
    let mode = match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    };
    #[allow(deprecated)]
    pb::schema::Object { attributes: attributes(nested), nesting: mode.into(), ..Default::default() }
}
