//! Schemas back from the wire, so that the rules check what a host sees and not what the provider holds.

use super::{Error, Rule, Violation};
use crate::{
    cty::{Path, Type, Value},
    proto::tfplugin6 as pb,
    schema::{Attribute, Block, Flag, Nesting, Presence, Shape},
};

pub(super) fn block(schema: &pb::Schema) -> Result<Block, Error> {
    let wire = schema.block.as_ref().ok_or_else(|| malformed("a schema without a block"))?;
    let attributes = attributes(&wire.attributes)?;
    Ok(Block::new(wire.description.clone(), attributes).at_version(schema.version))
}

/// The type of an identity.
pub(super) fn identity(schema: &pb::ResourceIdentitySchema) -> Result<Type, Error> {
    let attribute = |attribute: &pb::resource_identity_schema::IdentityAttribute| {
        let ty = Type::from_json(&attribute.r#type).map_err(|error| malformed(&error.to_string()))?;
        Ok((attribute.name.clone(), ty))
    };
    Ok(Type::Object(schema.identity_attributes.iter().map(attribute).collect::<Result<_, Error>>()?))
}

fn attributes(wire: &[pb::schema::Attribute]) -> Result<Vec<Attribute>, Error> {
    wire.iter().map(attribute).collect()
}

fn attribute(wire: &pb::schema::Attribute) -> Result<Attribute, Error> {
    let presence = match (wire.required, wire.optional, wire.computed) {
        (true, false, false) => Presence::Required,
        (false, true, false) => Presence::Optional,
        (false, true, true) => Presence::OptionalComputed,
        (false, false, true) => Presence::Computed,
        _ => return Err(malformed(&format!("{} is set by nobody, or by too many", wire.name))),
    };
    if wire.description.is_empty() {
        return Err(malformed(&format!("{} has no description", wire.name)));
    }
    let shape = match &wire.nested_type {
        None => Shape::Type(Type::from_json(&wire.r#type).map_err(|error| malformed(&error.to_string()))?),
        Some(object) => Shape::Nested(nesting(object)?, attributes(&object.attributes)?),
    };
    let mut attribute = Attribute::new::<Value>(&wire.name, &wire.description, presence).shaped(shape);
    for (set, flag) in [(wire.sensitive, Flag::Sensitive), (wire.write_only, Flag::WriteOnly)] {
        if set {
            attribute = attribute.with(flag);
        }
    }
    Ok(attribute)
}

fn nesting(object: &pb::schema::Object) -> Result<Nesting, Error> {
    use pb::schema::object::NestingMode;
    match object.nesting() {
        NestingMode::Single => Ok(Nesting::Single),
        NestingMode::List => Ok(Nesting::List),
        NestingMode::Set => Ok(Nesting::Set),
        NestingMode::Map => Ok(Nesting::Map),
        NestingMode::Invalid => Err(malformed("nested attributes without nesting")),
    }
}

fn malformed(what: &str) -> Error {
    Violation::new(Rule::Malformed, &Path::root(), what).into()
}
