//! MessagePack to values.

use std::collections::BTreeMap;

use rmp::{Marker, decode as wire};

use super::super::{Dynamic, Error, MAX_DEPTH, MAX_NODES, Number, Path, Problem, Step, Type, Value};

/// The value of this type that the bytes hold. No bytes at all are null.
///
/// # Errors
/// Malformed, truncated, trailing or oversized bytes, or a value of another type; the path says where.
pub fn decode(bytes: &[u8], ty: &Type) -> Result<Value, Error> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let mut reader = Reader { rest: bytes, nodes: 0, path: Vec::new() };
    let value = reader.value(ty)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(reader.malformed("bytes after the value")) }
}

struct Reader<'a> {
    rest: &'a [u8],
    nodes: usize,
    path: Vec<Step>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, ty: &Type) -> Result<Value, Error> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || self.path.len() > MAX_DEPTH {
            return Err(self.error(Problem::TooLarge));
        }
        match self.peek()? {
            Marker::Null => {
                self.advance(1)?;
                return Ok(Value::Null);
            }
            marker if is_extension(marker) => return self.unknown(),
            _ => {}
        }
        match ty {
            Type::Dynamic => self.dynamic(),
            Type::Bool => wire::read_bool(&mut self.rest).map(Value::Bool).map_err(|_| self.mismatch(ty)),
            Type::String => Ok(Value::String(self.string()?.to_owned())),
            Type::Number => self.number().map(Value::Number),
            Type::List(of) => self.elements(of).map(Value::List),
            Type::Set(of) => self.elements(of).map(Value::set),
            Type::Tuple(types) => self.tuple(types).map(Value::Tuple),
            Type::Map(of) => self.map(of).map(Value::Map),
            Type::Object(types) => self.object(types).map(Value::Object),
        }
    }

    fn child(&mut self, step: Step, ty: &Type) -> Result<Value, Error> {
        self.path.push(step);
        let value = self.value(ty)?;
        self.path.pop();
        Ok(value)
    }

    fn elements(&mut self, of: &Type) -> Result<Vec<Value>, Error> {
        let len = self.array_len("a list or set")?;
        let mut elements = Vec::new();
        for index in 0..len {
            elements.push(self.child(index_step(index), of)?);
        }
        Ok(elements)
    }

    fn tuple(&mut self, types: &[Type]) -> Result<Vec<Value>, Error> {
        let len = self.array_len("a tuple")?;
        if len != types.len() {
            return Err(self.malformed("a tuple of another length"));
        }
        types.iter().enumerate().map(|(index, ty)| self.child(index_step(index), ty)).collect()
    }

    fn map(&mut self, of: &Type) -> Result<BTreeMap<String, Value>, Error> {
        let len = self.map_len("a map")?;
        let mut entries = BTreeMap::new();
        for _ in 0..len {
            let key = self.string()?.to_owned();
            let value = self.child(Step::Key(key.clone()), of)?;
            entries.insert(key, value);
        }
        Ok(entries)
    }

    fn object(&mut self, types: &BTreeMap<String, Type>) -> Result<BTreeMap<String, Value>, Error> {
        let len = self.map_len("an object")?;
        let mut attributes = BTreeMap::new();
        for _ in 0..len {
            let name = self.string()?.to_owned();
            let Some(ty) = types.get(&name) else {
                self.path.push(Step::Attribute(name));
                return Err(self.error(Problem::Unexpected));
            };
            let value = self.child(Step::Attribute(name.clone()), ty)?;
            attributes.insert(name, value);
        }
        if let Some(missing) = types.keys().find(|name| !attributes.contains_key(*name)) {
            self.path.push(Step::Attribute(missing.clone()));
            return Err(self.error(Problem::Missing));
        }
        Ok(attributes)
    }

    /// `[type, value]`.
    fn dynamic(&mut self) -> Result<Value, Error> {
        if self.array_len("a dynamic value")? != 2 {
            return Err(self.malformed("a dynamic value that is not a pair"));
        }
        let len = match self.peek()? {
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                wire::read_bin_len(&mut self.rest).map_err(|_| ())
            }
            _ => wire::read_str_len(&mut self.rest).map_err(|_| ()),
        };
        let len = len.map_err(|()| self.malformed("a dynamic value without a type"))?;
        let json = self.take(len)?;
        let ty = Type::from_json(json).map_err(|error| self.error(error.problem))?;
        if ty == Type::Dynamic && self.peek()? != Marker::Null {
            return Err(self.malformed("a dynamic value whose type is dynamic"));
        }
        let value = self.value(&ty)?;
        Ok(match (&ty, &value) {
            (Type::Dynamic, _) => value,
            (_, Value::Unknown) => Value::Unknown,
            _ => Value::Dynamic(Box::new(Dynamic { ty, value })),
        })
    }

    /// Any extension: an unknown, whose refinements say only what it may become.
    fn unknown(&mut self) -> Result<Value, Error> {
        let meta = wire::read_ext_meta(&mut self.rest).map_err(|_| self.malformed("an extension"))?;
        self.take(meta.size)?;
        Ok(Value::Unknown)
    }

    fn number(&mut self) -> Result<Number, Error> {
        let exact = |reader: &Self, float: f64| {
            Number::from_f64_exact(float).ok_or_else(|| reader.error(Problem::Number("NaN".into())))
        };
        match self.peek()? {
            Marker::F32 => {
                let float = wire::read_f32(&mut self.rest).map_err(|_| self.malformed("a float"))?;
                exact(self, float.into())
            }
            Marker::F64 => {
                let float = wire::read_f64(&mut self.rest).map_err(|_| self.malformed("a float"))?;
                exact(self, float)
            }
            Marker::U64 => {
                let int: u64 = wire::read_int(&mut self.rest).map_err(|_| self.malformed("an integer"))?;
                Ok(int.into())
            }
            marker if is_string(marker) => {
                let text = self.string()?;
                text.parse().map_err(|_| self.error(Problem::Number(text.chars().take(40).collect())))
            }
            _ => {
                let int: i64 = wire::read_int(&mut self.rest).map_err(|_| self.mismatch(&Type::Number))?;
                Ok(int.into())
            }
        }
    }

    fn string(&mut self) -> Result<&'a str, Error> {
        let len = wire::read_str_len(&mut self.rest).map_err(|_| self.mismatch(&Type::String))?;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("text that is not UTF-8"))
    }

    fn array_len(&mut self, what: &'static str) -> Result<usize, Error> {
        let len = wire::read_array_len(&mut self.rest).map_err(|_| self.mismatch(what))?;
        self.bounded(len, 1)
    }

    fn map_len(&mut self, what: &'static str) -> Result<usize, Error> {
        let len = wire::read_map_len(&mut self.rest).map_err(|_| self.mismatch(what))?;
        self.bounded(len, 2)
    }

    /// Every element takes at least so many bytes, so a length beyond what is left is a lie.
    fn bounded(&self, len: u32, bytes_each: usize) -> Result<usize, Error> {
        let len = usize::try_from(len).map_err(|_| self.error(Problem::TooLarge))?;
        if len.saturating_mul(bytes_each) > self.rest.len() {
            return Err(self.malformed("fewer elements than announced"));
        }
        Ok(len)
    }

    fn peek(&self) -> Result<Marker, Error> {
        let first = self.rest.first().ok_or_else(|| self.malformed("the data ends early"))?;
        Ok(Marker::from_u8(*first))
    }

    fn advance(&mut self, len: usize) -> Result<(), Error> {
        self.rest = self.rest.get(len..).ok_or_else(|| self.malformed("the data ends early"))?;
        Ok(())
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], Error> {
        let len = usize::try_from(len).map_err(|_| self.error(Problem::TooLarge))?;
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or_else(|| self.malformed("the data ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn error(&self, problem: Problem) -> Error {
        Error { path: self.path.iter().cloned().collect::<Path>(), problem }
    }

    fn malformed(&self, what: &str) -> Error {
        self.error(Problem::Malformed(what.to_owned()))
    }

    fn mismatch(&self, expected: impl ToString) -> Error {
        self.error(Problem::Mismatch { expected: expected.to_string(), got: "something else".to_owned() })
    }
}

fn index_step(index: usize) -> Step {
    Step::Index(i64::try_from(index).unwrap_or(i64::MAX))
}

fn is_string(marker: Marker) -> bool {
    matches!(marker, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32)
}

fn is_extension(marker: Marker) -> bool {
    matches!(
        marker,
        Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
    )
}
