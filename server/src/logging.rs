//! Structured logs on standard error: readable lines on a terminal, JSON where asked for. `RUST_LOG` narrows or widens them.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What a server says.
pub const SERVER: &str = "info,sqlx=warn,hyper=warn,h2=warn,tower=warn";
/// What a program says whose own words are on the screen.
pub const QUIET: &str = "warn,sqlx=error";

/// Begin to log what `default` says; called once.
pub fn start(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).with_target(false).init(),
    }
}
