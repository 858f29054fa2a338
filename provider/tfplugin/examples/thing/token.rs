//! The ephemeral resource `thing_token`.

use std::time::Duration;

use tfplugin::{Attr, Context, Diagnostic, Diagnostics, Ephemeral, Opened, Schema, Timestamp, async_trait};

use crate::store::Store;

const HOUR: Duration = Duration::from_secs(3600);

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

    async fn open(&self, cx: &mut Context<Store>, config: Model) -> Result<Opened<Model>, Diagnostics> {
        let subject = config.subject.require()?.clone();
        note(cx, &subject)?;
        let token = format!("token-of-{subject}").into();
        Ok(Opened { result: Model { token, ..config }, renew_at: Some(Timestamp::now() + HOUR) })
    }

    async fn renew(&self, cx: &mut Context<Store>) -> Result<Option<Timestamp>, Diagnostics> {
        let subject = noted(cx)?;
        note(cx, &format!("{subject}, renewed"))?;
        Ok(Some(Timestamp::now() + HOUR))
    }

    async fn close(&self, cx: &mut Context<Store>) -> Result<(), Diagnostics> {
        let subject = noted(cx)?;
        cx.warn(format!("The token of {subject} ends"), "");
        Ok(())
    }
}

/// Notes whose token it is, for renew and close.
fn note(cx: &mut Context<Store>, subject: &str) -> Result<(), Diagnostic> {
    cx.private
        .set("subject", &subject)
        .map_err(|error| Diagnostic::error("Unable to note", error.to_string()))
}

fn noted(cx: &Context<Store>) -> Result<String, Diagnostic> {
    cx.private.get("subject").ok_or_else(|| Diagnostic::error("Nobody knows whose token this is", ""))
}
