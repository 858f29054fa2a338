//! The ephemeral resource `thing_token`.

use tfplugin::{Attr, Context, Diagnostics, Ephemeral, Opened, Schema, async_trait};

use crate::store::Store;

/// A token that lives as long as the run.
#[derive(Debug, Clone, Schema)]
pub struct Model {
    /// Whom it is for.
    #[tf(required)]
    pub subject: Attr<String>,
    /// The token.
    #[tf(computed, sensitive)]
    pub token: Attr<String>,
}

/// The ephemeral resource.
pub struct Token;

#[async_trait]
impl Ephemeral for Token {
    type Data = Store;
    type Model = Model;

    fn type_name(&self) -> &'static str {
        "thing_token"
    }

    async fn open(&self, _cx: &mut Context<Store>, config: Model) -> Result<Opened<Model>, Diagnostics> {
        let token = format!("token-of-{}", config.subject.as_str()).into();
        Ok(Opened::new(Model { token, ..config }))
    }
}
