//! Values in messages: MessagePack, or JSON where a host sends that.

use crate::{
    Diagnostics, cty,
    cty::{Type, Value},
    proto::tfplugin6 as pb,
};

/// The value in a message; none at all is null.
pub(crate) fn from_wire(wire: Option<&pb::DynamicValue>, ty: &Type) -> Result<Value, Diagnostics> {
    Ok(match wire {
        Some(wire) if !wire.msgpack.is_empty() => cty::from_msgpack(&wire.msgpack, ty)?,
        Some(wire) if !wire.json.is_empty() => cty::from_json(&wire.json, ty)?,
        _ => Value::Null,
    })
}

/// A value for a message.
pub(crate) fn to_wire(value: &Value, ty: &Type) -> Result<pb::DynamicValue, Diagnostics> {
    Ok(pb::DynamicValue { msgpack: cty::to_msgpack(value, ty)?, json: Vec::new() })
}
