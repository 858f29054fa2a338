//! Functions: pure computations, called as `provider::NAME::FUNCTION(...)`, without a configured provider.

use crate::{
    Schema,
    cty::{Path, Step, Type, Value},
    schema::{AttrType, Block, Flag},
};

/// A function.
pub trait Function: Send + Sync + 'static {
    /// The parameters: the fields of a struct, in order. Optional fields accept null; a last field
    /// `Attr<Vec<T>>` marked `#[tf(variadic)]` takes all further arguments. The struct's doc comment describes the function.
    type Args: Schema;
    /// The type of the result.
    type Output: AttrType;

    /// The name, without the provider's.
    fn name(&self) -> &'static str;

    /// Computes the result. All arguments are known.
    fn call(&self, args: Self::Args) -> Result<Self::Output, Error>;
}

/// Why a function has no result for these arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// What the user reads.
    pub text: String,
    /// The parameter to blame, by name.
    pub parameter: Option<String>,
}

impl Error {
    /// An error about the call as a whole.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), parameter: None }
    }

    /// The same, blamed on a parameter.
    #[must_use]
    pub fn parameter(mut self, name: &str) -> Self {
        self.parameter = Some(name.to_owned());
        self
    }
}

/// A value that was needed and is null.
impl From<crate::schema::NotKnown> for Error {
    fn from(error: crate::schema::NotKnown) -> Self {
        Self::new(error.to_string())
    }
}

/// A function without its types.
pub(crate) trait AnyFunction: Send + Sync {
    fn block(&self) -> &Block;
    fn output(&self) -> Type;
    /// Arguments in order; those beyond the parameters belong to the variadic one.
    fn call(&self, args: &Value) -> Result<Value, Error>;
}

pub(crate) struct Entry<F> {
    function: F,
    block: Block,
}

impl<F: Function> Entry<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, block: Block::of::<F::Args>() }
    }
}

impl<F: Function> AnyFunction for Entry<F> {
    fn block(&self) -> &Block {
        &self.block
    }

    fn output(&self) -> Type {
        F::Output::shape().ty()
    }

    fn call(&self, args: &Value) -> Result<Value, Error> {
        let args = F::Args::from_value(args, &Path::root()).map_err(|error| {
            let parameter = match error.path.steps().first() {
                Some(Step::Attribute(name)) => Some(name.clone()),
                _ => None,
            };
            Error { text: error.problem.to_string(), parameter }
        })?;
        self.function.call(args).map(|output| output.to_value())
    }
}

/// The variadic parameter's element type, if the function has one.
pub(crate) fn variadic(block: &Block) -> Option<(&crate::schema::Attribute, Type)> {
    let last = block.attributes().last().filter(|attribute| attribute.has(Flag::Variadic))?;
    match last.ty() {
        Type::List(of) => Some((last, *of)),
        _ => None,
    }
}
