//! `underlay-agent`: PID 1 of the boot ramdisk, a service of a live system (`install`, `reside`, `uninstall`), or (`write`) one image write with its cost.

use std::{path::Path, process::ExitCode};

use underlay_agent::{bench, deploy::error::chain, resident::install, start, system::init};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if init::is_first_process() {
        start::first_process().await;
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["--version"] => {
            println!("underlay-agent {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        ["write", ..] => bench::run(arguments.get(1..).unwrap_or_default()).await,
        ["install", ..] => install::install(arguments.get(1..).unwrap_or_default()).await.map_err(in_full),
        ["uninstall"] => install::uninstall().map_err(in_full),
        ["reside"] => start::reside().await,
        ["run", settings] => start::service(Path::new(settings)).await,
        _ => Err("usage: underlay-agent install --url URL --api URL --ca SHA256 (the token on standard input)\n       \
                  underlay-agent uninstall | --version"
            .into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("underlay-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn in_full(error: install::Error) -> Box<dyn std::error::Error> {
    chain(&error).into()
}
