//! Logs in the form hosts understand: one JSON object per line on stderr, as hclog writes them.
//!
//! `@level`, `@message`, `@module` and `@timestamp` must be strings: a host that meets another type there dies. Without
//! `TF_LOG` the host drops every line, so none is written.

use std::{fmt, io::Write};

use serde_json::{Map, Value as Json};
use tracing::{Event, Level, Subscriber, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

/// The longest text of one field, in bytes: hosts split lines beyond 64 KiB.
const LONGEST: usize = 8 << 10;

/// Libraries whose own debugging would drown the provider's.
const QUIET: [&str; 8] = ["h2", "hyper", "hyper_util", "tower", "tonic", "rustls", "tokio_rustls", "mio"];

/// Starts logging at the level the host's environment asks for; none without it.
pub(super) fn start() {
    let level =
        level(std::env::var("TF_LOG_PROVIDER").ok().or_else(|| std::env::var("TF_LOG").ok()).as_deref());
    if level == LevelFilter::OFF {
        return;
    }
    let quiet = QUIET.map(|target| (target, level.min(LevelFilter::WARN)));
    let targets = Targets::new().with_default(level).with_targets(quiet);
    // A subscriber that the program set up before stays.
    tracing_subscriber::registry().with(Hclog.with_filter(targets)).try_init().ok();
}

/// As hosts read it: `JSON` and words they do not know mean everything.
fn level(text: Option<&str>) -> LevelFilter {
    match text.map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "OFF") => LevelFilter::OFF,
        Some("ERROR") => LevelFilter::ERROR,
        Some("WARN") => LevelFilter::WARN,
        Some("INFO") => LevelFilter::INFO,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some(_) => LevelFilter::TRACE,
    }
}

/// Writes events as hclog lines.
struct Hclog;

impl<S: Subscriber> Layer<S> for Hclog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Json::Object(line(event)).to_string();
        text.push('\n');
        // Nobody is left to tell when stderr is closed.
        std::io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}

fn line(event: &Event<'_>) -> Map<String, Json> {
    let metadata = event.metadata();
    let level = match *metadata.level() {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let Fields(mut line) = fields;
    let message =
        line.remove("message").and_then(|message| message.as_str().map(str::to_owned)).unwrap_or_default();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    line.insert("@level".into(), level.into());
    line.insert("@message".into(), message.into());
    line.insert("@module".into(), metadata.target().into());
    line.insert("@timestamp".into(), now.into());
    line
}

struct Fields(Map<String, Json>);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = format!("{value:?}");
        let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST);
        if let Some(cut) = cut {
            text.truncate(cut);
        }
        self.0.insert(field.name().to_owned(), text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_what_the_host_understands_by_it() {
        assert_eq!(level(None), LevelFilter::OFF);
        assert_eq!(level(Some("info")), LevelFilter::INFO);
        assert_eq!(level(Some("JSON")), LevelFilter::TRACE);
        assert_eq!(level(Some("off")), LevelFilter::OFF);
    }
}
