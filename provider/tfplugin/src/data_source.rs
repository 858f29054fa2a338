//! Data sources: read something that Terraform does not own.

use async_trait::async_trait;

use crate::{
    Context, Diagnostics, Schema,
    cty::{Path, Value},
    schema::{AttrType, Block},
};

/// A data source.
#[async_trait]
pub trait DataSource: Send + Sync + 'static {
    /// The provider's shared data.
    type Data: Send + Sync + 'static;
    /// Arguments and results in one struct.
    type Model: Schema;

    /// The full name, such as `underlay_host`.
    fn type_name(&self) -> &'static str;

    /// Checks what single attributes cannot tell. Values may be unknown.
    fn validate(&self, _config: &Self::Model, _diagnostics: &mut Diagnostics) {}

    /// Looks it up. The result keeps what the configuration set; a thing that is not there is an error.
    async fn read(
        &self,
        cx: &mut Context<Self::Data>,
        config: Self::Model,
    ) -> Result<Self::Model, Diagnostics>;
}

/// A data source without its types.
#[async_trait]
pub(crate) trait AnyDataSource<D>: Send + Sync {
    fn block(&self) -> &Block;
    fn validate(&self, config: &Value, diagnostics: &mut Diagnostics);
    async fn read(&self, cx: &mut Context<D>, config: &Value) -> Result<Value, Diagnostics>;
}

pub(crate) struct Entry<S> {
    source: S,
    block: Block,
}

impl<S: DataSource> Entry<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, block: Block::of::<S::Model>() }
    }
}

#[async_trait]
impl<S: DataSource> AnyDataSource<S::Data> for Entry<S> {
    fn block(&self) -> &Block {
        &self.block
    }

    fn validate(&self, config: &Value, diagnostics: &mut Diagnostics) {
        match S::Model::from_value(config, &Path::root()) {
            Ok(config) => self.source.validate(&config, diagnostics),
            Err(error) => diagnostics.push(error),
        }
    }

    async fn read(&self, cx: &mut Context<S::Data>, config: &Value) -> Result<Value, Diagnostics> {
        let config = S::Model::from_value(config, &Path::root())?;
        Ok(self.source.read(cx, config).await?.to_value())
    }
}
