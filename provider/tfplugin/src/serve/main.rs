//! The program of a provider: serves the host that started it, waits for one to attach, or writes documentation.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    Debug, Error, Transport, cookie,
    handshake::{self, MultiplexAsked},
    listen::Listener,
    log, server,
    signals::{self, End},
    tls::Tls,
};
use crate::{Provider, Service, docs};

/// Time for the last reply to leave before the process ends.
const LAST_REPLY: Duration = Duration::from_millis(5);

/// The whole `main` of a provider. The address is its source, such as `registry.terraform.io/example/thing`.
///
/// | arguments | what it does |
/// |---|---|
/// | none | serves the host that started it |
/// | `-debug` | waits for a host to attach, and prints how |
/// | `docs --out DIR [--examples DIR]` | writes the documentation |
pub fn main<P: Provider>(provider: P, address: &str) -> ExitCode {
    let outcome = Command::parse(std::env::args_os().skip(1)).and_then(|command| match command {
        Command::Serve => run(plugin(provider)),
        Command::Debug => run(debug(provider, address)),
        Command::Docs { out, examples } => write_docs(&provider, &out, &examples),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve,
    Debug,
    Docs { out: PathBuf, examples: PathBuf },
}

impl Command {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Error> {
        let Some(first) = arguments.next() else { return Ok(Self::Serve) };
        match first.to_str() {
            Some("-debug" | "--debug") => Ok(Self::Debug),
            Some("docs") => Self::parse_docs(arguments),
            _ => Err(Error::Argument(first.to_string_lossy().into_owned())),
        }
    }

    fn parse_docs(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Error> {
        let (mut out, mut examples) = (PathBuf::from("docs"), PathBuf::from("examples"));
        while let Some(flag) = arguments.next() {
            match (flag.to_str(), arguments.next()) {
                (Some("--out"), Some(value)) => out = value.into(),
                (Some("--examples"), Some(value)) => examples = value.into(),
                _ => return Err(Error::Argument(flag.to_string_lossy().into_owned())),
            }
        }
        Ok(Self::Docs { out, examples })
    }
}

/// One thread is enough: a provider waits more than it computes, and starts in a few milliseconds.
fn run(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::System { act: "start the runtime", source })?;
    let outcome = runtime.block_on(work);
    // What is still in flight belongs to a host that is gone.
    runtime.shutdown_background();
    outcome
}

async fn plugin<P: Provider>(provider: P) -> Result<(), Error> {
    cookie::check()?;
    signals::ignore_interrupts()?;
    let end = End::watch()?;
    log::start();
    let tls = Tls::from_env()?;
    let listener = Listener::bind(Transport::native()).await?;
    let certificate = tls.as_ref().map(|tls| tls.certificate.as_ref());
    handshake::say(&handshake::line(&listener.address, certificate, MultiplexAsked::from_env()))?;
    let (exit, shutdown) = (CancellationToken::new(), CancellationToken::new());
    let acceptor = tls.as_ref().map(|tls| &tls.acceptor);
    let ended = async {
        tokio::select! { () = shutdown.cancelled() => tokio::time::sleep(LAST_REPLY).await, () = end.came() => {} }
    };
    tokio::select! {
        served = server::serve(Service::new(provider), &listener, acceptor, exit, shutdown.clone()) => served,
        () = ended => Ok(()),
    }
}

async fn debug<P: Provider>(provider: P, address: &str) -> Result<(), Error> {
    let end = End::watch()?;
    log::start();
    let debug = Debug::start(provider, address, Transport::native()).await?;
    println!("Provider started. To attach Terraform or OpenTofu to it, set:\n");
    println!("\tTF_REATTACH_PROVIDERS='{}'", debug.reattach());
    let interrupted = tokio::signal::ctrl_c();
    tokio::select! { _ = interrupted => {}, () = end.came() => {} }
    debug.stop().await
}

fn write_docs<P: Provider>(provider: &P, out: &Path, examples: &Path) -> Result<(), Error> {
    for (path, text) in docs::render(provider, examples) {
        let path = out.join(path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text))
            .map_err(|source| Error::WriteDocs { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let parse = |words: &[&str]| Command::parse(words.iter().map(OsString::from));
        assert_eq!(parse(&[]).unwrap(), Command::Serve);
        assert_eq!(parse(&["-debug"]).unwrap(), Command::Debug);
        let docs = Command::Docs { out: "out".into(), examples: "examples".into() };
        assert_eq!(parse(&["docs", "--out", "out"]).unwrap(), docs);
        assert!(parse(&["--help"]).is_err());
    }
}
