//! Diagnostics instead of an answer: for requests that cannot be served, and for code that panicked.
//!
//! A panic in a provider's code costs its own call, not the process and the state of every other resource.

use std::{any::Any, panic::AssertUnwindSafe};

use futures::FutureExt;
use tonic::{Response, Status};

use crate::{Diagnostic, Diagnostics, proto::tfplugin6 as pb};

/// A response that can hold nothing but diagnostics.
pub(super) trait Answer: Default {
    fn diagnostics(&mut self) -> &mut Vec<pb::Diagnostic>;
}

macro_rules! answers {
    ($($module:ident),* $(,)?) => {$(
        impl Answer for pb::$module::Response {
            fn diagnostics(&mut self) -> &mut Vec<pb::Diagnostic> {
                &mut self.diagnostics
            }
        }
    )*};
}
answers!(
    get_metadata,
    get_provider_schema,
    get_resource_identity_schemas,
    validate_provider_config,
    validate_resource_config,
    validate_data_resource_config,
    validate_ephemeral_resource_config,
    upgrade_resource_state,
    upgrade_resource_identity,
    configure_provider,
    read_resource,
    plan_resource_change,
    apply_resource_change,
    import_resource_state,
    move_resource_state,
    read_data_source,
    open_ephemeral_resource,
    renew_ephemeral_resource,
    close_ephemeral_resource,
    get_functions,
);

/// Runs one call and answers with whatever came of it.
pub(super) async fn answer<A: Answer>(
    call: &'static str,
    name: &str,
    work: impl Future<Output = Result<A, Diagnostics>>,
) -> Result<Response<A>, Status> {
    tracing::debug!(call, name, "call");
    let outcome = AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(call, name, &*panic)));
    let answer = outcome.unwrap_or_else(|diagnostics| {
        let mut answer = A::default();
        *answer.diagnostics() = diagnostics.to_proto();
        answer
    });
    Ok(Response::new(answer))
}

pub(super) fn panicked(call: &str, name: &str, panic: &(dyn Any + Send)) -> Diagnostics {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    tracing::error!(call, name, panic = text, "a call panicked");
    let summary = format!("The provider failed in {call} of {name}");
    Diagnostic::error(summary, format!("This is a bug in the provider: its code panicked with: {text}"))
        .into()
}
