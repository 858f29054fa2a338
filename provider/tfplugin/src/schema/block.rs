//! All attributes of one object, and the trait by which a struct is a schema.

use std::collections::BTreeMap;

use super::{Attribute, Flag, Shape};
use crate::cty::{Error, Path, Type, Value};

/// A struct that is a schema. Derive it; the derive macro's documentation lists the field attributes.
pub trait Schema: Sized + Send + Sync + 'static {
    /// The doc comment of the struct, in Markdown.
    fn description() -> &'static str;

    /// The attributes, in the order of the fields.
    fn attributes() -> Vec<Attribute>;

    /// Reads the fields of an object found at a path.
    ///
    /// # Errors
    /// A field has the wrong type or is missing.
    fn from_fields(fields: &BTreeMap<String, Value>, at: &Path) -> Result<Self, Error>;

    /// The fields as values.
    fn to_fields(&self) -> BTreeMap<String, Value>;
}

/// The attributes of one object and what it is for.
#[derive(Debug, Clone)]
pub struct Block {
    version: i64,
    description: String,
    attributes: Vec<Attribute>,
    ty: Type,
}

impl Block {
    /// The schema of a struct.
    pub fn of<S: Schema>() -> Self {
        Self::new(S::description(), S::attributes())
    }

    /// A schema put together by hand.
    pub fn new(description: impl Into<String>, attributes: Vec<Attribute>) -> Self {
        let ty = Type::Object(attributes.iter().map(|a| (a.name().to_owned(), a.ty())).collect());
        Self { version: 0, description: description.into(), attributes, ty }
    }

    /// The same schema under a version number, which state records.
    #[must_use]
    pub fn at_version(mut self, version: i64) -> Self {
        self.version = version;
        self
    }

    /// The version that state of this schema records.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What it is for, in Markdown.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The attributes, in order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The type of its values: an object of all attributes.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The attribute that a path leads to or into; `None` if there is none.
    pub fn find(&self, path: &Path) -> Option<&Attribute> {
        use crate::cty::Step;
        let mut level = self.attributes.as_slice();
        let mut found = None;
        for step in path.steps() {
            if let Step::Attribute(name) = step {
                let attribute = level.iter().find(|attribute| attribute.name() == name)?;
                found = Some(attribute);
                level = match attribute.shape() {
                    Shape::Nested(_, attributes) => attributes,
                    Shape::Type(_) => &[],
                };
            }
        }
        found
    }

    /// Whether any attribute, at any depth, has this flag.
    pub fn has(&self, flag: Flag) -> bool {
        fn any(attributes: &[Attribute], flag: Flag) -> bool {
            attributes.iter().any(|attribute| match attribute.shape() {
                Shape::Nested(_, nested) => attribute.has(flag) || any(nested, flag),
                Shape::Type(_) => attribute.has(flag),
            })
        }
        any(&self.attributes, flag)
    }
}
