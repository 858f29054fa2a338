//! Ephemeral resources: values that exist only while Terraform runs and are never stored, such as a short-lived credential.
//!
//! Terraform opens them during plan and again during apply, so opening must be cheap and must not wait for something that
//! the same apply has to repair.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    Context, Diagnostics, Schema,
    cty::{Path, Value},
    schema::{AttrType, Block},
};

/// An ephemeral resource.
#[async_trait]
pub trait Ephemeral: Send + Sync + 'static {
    /// The provider's shared data.
    type Data: Send + Sync + 'static;
    /// Arguments and results in one struct.
    type Model: Schema;

    /// The full name, such as `underlay_kubeconfig`.
    fn type_name(&self) -> &'static str;

    /// Checks what single attributes cannot tell. Values may be unknown.
    fn validate(&self, _config: &Self::Model, _diagnostics: &mut Diagnostics) {}

    /// Opens it. What renew and close need to know goes into `cx.private`.
    async fn open(
        &self,
        cx: &mut Context<Self::Data>,
        config: Self::Model,
    ) -> Result<Opened<Self::Model>, Diagnostics>;

    /// Extends its life; returns when to renew next.
    async fn renew(&self, _cx: &mut Context<Self::Data>) -> Result<Option<Timestamp>, Diagnostics> {
        Ok(None)
    }

    /// Ends its life.
    async fn close(&self, _cx: &mut Context<Self::Data>) -> Result<(), Diagnostics> {
        Ok(())
    }
}

/// An ephemeral resource that was opened.
#[derive(Debug, Clone)]
pub struct Opened<M> {
    /// The result; it keeps what the configuration set.
    pub result: M,
    /// When Terraform calls renew, if it must.
    pub renew_at: Option<Timestamp>,
}

impl<M> Opened<M> {
    /// One that needs no renewal.
    pub fn new(result: M) -> Self {
        Self { result, renew_at: None }
    }
}

/// An ephemeral resource without its types.
#[async_trait]
pub(crate) trait AnyEphemeral<D>: Send + Sync {
    fn block(&self) -> &Block;
    fn validate(&self, config: &Value, diagnostics: &mut Diagnostics);
    async fn open(&self, cx: &mut Context<D>, config: &Value) -> Result<Opened<Value>, Diagnostics>;
    async fn renew(&self, cx: &mut Context<D>) -> Result<Option<Timestamp>, Diagnostics>;
    async fn close(&self, cx: &mut Context<D>) -> Result<(), Diagnostics>;
}

pub(crate) struct Entry<E> {
    ephemeral: E,
    block: Block,
}

impl<E: Ephemeral> Entry<E> {
    pub(crate) fn new(ephemeral: E) -> Self {
        Self { ephemeral, block: Block::of::<E::Model>() }
    }
}

#[async_trait]
impl<E: Ephemeral> AnyEphemeral<E::Data> for Entry<E> {
    fn block(&self) -> &Block {
        &self.block
    }

    fn validate(&self, config: &Value, diagnostics: &mut Diagnostics) {
        match E::Model::from_value(config, &Path::root()) {
            Ok(config) => self.ephemeral.validate(&config, diagnostics),
            Err(error) => diagnostics.push(error),
        }
    }

    async fn open(&self, cx: &mut Context<E::Data>, config: &Value) -> Result<Opened<Value>, Diagnostics> {
        let config = E::Model::from_value(config, &Path::root())?;
        let opened = self.ephemeral.open(cx, config).await?;
        Ok(Opened { result: opened.result.to_value(), renew_at: opened.renew_at })
    }

    async fn renew(&self, cx: &mut Context<E::Data>) -> Result<Option<Timestamp>, Diagnostics> {
        self.ephemeral.renew(cx).await
    }

    async fn close(&self, cx: &mut Context<E::Data>) -> Result<(), Diagnostics> {
        self.ephemeral.close(cx).await
    }
}
