//! Values to MessagePack.

use rmp::encode as wire;

use super::super::{Dynamic, Error, Number, Path, Problem, Type, Value, number::Repr};

/// The bytes of a value of this type. Attributes an object lacks are written as null.
///
/// # Errors
/// The value does not fit the type; the path says where.
pub fn encode(value: &Value, ty: &Type) -> Result<Vec<u8>, Error> {
    let mut out = Writer { bytes: Vec::with_capacity(256) };
    out.value(value, ty, &Path::root())?;
    Ok(out.bytes)
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn value(&mut self, value: &Value, ty: &Type, at: &Path) -> Result<(), Error> {
        if at.steps().len() > super::super::MAX_DEPTH {
            return Err(Error::new(at, Problem::TooLarge));
        }
        match (ty, value) {
            (Type::Dynamic, value) => self.dynamic(value, at),
            (ty, Value::Dynamic(dynamic)) => self.value(&dynamic.value, ty, at),
            (_, Value::Null) => self.put(wire::write_nil),
            (_, Value::Unknown) => self.unknown(),
            (Type::Bool, Value::Bool(flag)) => self.put(|out| wire::write_bool(out, *flag)),
            (Type::String, Value::String(text)) => self.string(text),
            (Type::Number, Value::Number(number)) => self.number(number),
            (Type::List(of), Value::List(elements)) => self.elements(elements, of, at),
            (Type::Set(of), Value::Set(elements)) => self.elements(elements, of, at),
            (Type::Tuple(types), Value::Tuple(elements)) if types.len() == elements.len() => {
                self.length(elements.len(), at, |out, len| wire::write_array_len(out, len).map(drop))?;
                types
                    .iter()
                    .zip(elements)
                    .enumerate()
                    .try_for_each(|(i, (ty, element))| self.value(element, ty, &at.index(i)))
            }
            (Type::Map(of), Value::Map(entries)) => {
                self.length(entries.len(), at, |out, len| wire::write_map_len(out, len).map(drop))?;
                entries.iter().try_for_each(|(key, entry)| {
                    self.string(key)?;
                    self.value(entry, of, &at.key(key))
                })
            }
            (Type::Object(types), Value::Object(attributes)) => {
                if let Some(name) = attributes.keys().find(|name| !types.contains_key(*name)) {
                    return Err(Error::new(&at.attribute(name), Problem::Unexpected));
                }
                self.length(types.len(), at, |out, len| wire::write_map_len(out, len).map(drop))?;
                types.iter().try_for_each(|(name, ty)| {
                    self.string(name)?;
                    self.value(attributes.get(name).unwrap_or(&Value::Null), ty, &at.attribute(name))
                })
            }
            (ty, value) => Err(Error::mismatch(at, ty, value.kind())),
        }
    }

    fn elements(&mut self, elements: &[Value], of: &Type, at: &Path) -> Result<(), Error> {
        self.length(elements.len(), at, |out, len| wire::write_array_len(out, len).map(drop))?;
        elements.iter().enumerate().try_for_each(|(i, element)| self.value(element, of, &at.index(i)))
    }

    /// `[type, value]`, or a bare null or unknown when there is no type to tell.
    fn dynamic(&mut self, value: &Value, at: &Path) -> Result<(), Error> {
        let shown = value.ty();
        match value {
            Value::Unknown => self.unknown(),
            Value::Null => self.put(wire::write_nil),
            Value::Dynamic(dynamic) => self.typed(dynamic, at),
            value => self.typed(&Dynamic { ty: shown, value: value.clone() }, at),
        }
    }

    fn typed(&mut self, dynamic: &Dynamic, at: &Path) -> Result<(), Error> {
        if dynamic.value.is_unknown() {
            return self.unknown();
        }
        let ty = dynamic.ty.to_json();
        self.length(2, at, |out, len| wire::write_array_len(out, len).map(drop))?;
        self.length(ty.len(), at, |out, len| wire::write_bin_len(out, len).map(drop))?;
        self.bytes.extend_from_slice(&ty);
        match &dynamic.ty {
            Type::Dynamic => self.put(wire::write_nil),
            ty => self.value(&dynamic.value, ty, at),
        }
    }

    fn unknown(&mut self) -> Result<(), Error> {
        // A one-byte extension of type 0: the unknown without refinements.
        self.bytes.extend_from_slice(&[0xd4, 0, 0]);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        self.put(|out| wire::write_str(out, text))
    }

    fn number(&mut self, number: &Number) -> Result<(), Error> {
        match number.repr() {
            Repr::I64(int) => self.put(|out| wire::write_sint(out, *int)),
            Repr::U64(int) => self.put(|out| wire::write_uint(out, *int)),
            Repr::F64(bits) => self.put(|out| wire::write_f64(out, f64::from_bits(*bits))),
            Repr::Decimal(text) => self.string(text),
        }
    }

    fn length<E>(
        &mut self,
        len: usize,
        at: &Path,
        write: impl FnOnce(&mut Vec<u8>, u32) -> Result<(), E>,
    ) -> Result<(), Error> {
        let len = u32::try_from(len).map_err(|_| Error::new(at, Problem::TooLarge))?;
        write(&mut self.bytes, len).map_err(|_| Error::new(at, Problem::TooLarge))
    }

    /// The writer asks for an error path; writing to memory has none but running out of it.
    fn put<T, E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Result<(), Error> {
        write(&mut self.bytes).map(drop).map_err(|_| Error::new(&Path::root(), Problem::TooLarge))
    }
}
