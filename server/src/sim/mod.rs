//! `underlay sim`: a rack held in memory, by itself in the foreground, and the verbs of a person who stands before it.

mod operate;
pub mod running;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use underlay_sim::control;

use crate::{config, logging};
use running::{RackSettings, Running};

/// Run a simulated rack, or do something to one that runs
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    run: Run,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// A rack to run.
#[derive(Args, Clone, Debug)]
struct Run {
    #[command(flatten)]
    rack: RackSettings,
    /// Boot endpoint that its firmware asks first, as DHCP would tell it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7480")]
    server: String,
    #[command(flatten)]
    place: Place,
    /// Port of its BMCs, on loopback; 0 takes one that is free
    #[arg(long, value_name = "PORT", default_value_t = 7490)]
    bmc_port: u16,
}

/// Where a rack has its socket and its files.
#[derive(Args, Clone, Debug)]
struct Place {
    /// The rack's directory: inventory, password of its BMCs, socket [default: underlay-rack-UID in the temporary directory]
    #[arg(long, env = "UNDERLAY_SIM_DIR", value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Subcommand, Clone, Debug)]
enum Verb {
    /// Show the machines of a rack
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one machine
    Show {
        /// Which, such as r1u7
        machine: String,
        #[command(flatten)]
        place: Place,
    },
    /// Break something: underlay sim fault r1u7 --disk-failure=4MiB
    Fault {
        /// Which machines, such as r1u7 or 'r1*'
        machines: String,
        #[command(flatten)]
        place: Place,
        /// How often it strikes [default: always]
        #[arg(long, value_name = "N")]
        times: Option<u32>,
        /// For how long, in seconds [default: until it is cleared]
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
        /// What, with a value where it has one: --disk-failure[=SIZE], --dead-nic, --slow-link[=SIZE],
        /// --lost-packets[=PERCENT], --bmc-flaky[=N], --bmc-garbage[=N], --bmc-hangs[=N], --bmc-slow[=SECONDS],
        /// --power-lies[=on|off], --power-stuck, --lost-once, --forgets-boot, --wrong-serial, --agent-dies[=SIZE],
        /// --double-boot, --media-cut, --media-unlicensed, --no-phone-home
        #[arg(required = true, allow_hyphen_values = true, value_name = "--FAULT")]
        faults: Vec<String>,
    },
    /// Show what is broken
    Faults {
        #[command(flatten)]
        place: Place,
    },
    /// Show which faults struck, in order, as JSON: those of rules, and those of chaos
    Struck {
        #[command(flatten)]
        place: Place,
    },
    /// Show what BMCs were asked to change, by whom and when, as JSON
    Asked {
        #[command(flatten)]
        place: Place,
    },
    /// Print the command that makes the same run again: machines, seed, pace, chaos, and what was broken
    Replay {
        #[command(flatten)]
        place: Place,
    },
    /// Mend what was broken
    Clear {
        /// The machines, as they were written [default: all]
        machines: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Press a machine's power button
    Button {
        /// Which, such as r1u7
        machine: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Run the verb.
pub fn main(arguments: Arguments) -> ExitCode {
    let runs = arguments.verb.is_none();
    if runs {
        logging::start(config::LogFormat::Text, logging::QUIET);
    }
    let runtime = if runs {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let result = runtime.context("starting the runtime").and_then(|runtime| match arguments.verb {
        None => runtime.block_on(foreground(arguments.run)),
        Some(verb) => runtime.block_on(operate::run(verb)),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("underlay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn foreground(run: Run) -> anyhow::Result<()> {
    let dir = run.place.path();
    let quoted = shell_word(&dir.display().to_string());
    let command = format!("underlay sim --server {} --dir {quoted} --bmc-port {}", run.server, run.bmc_port);
    let mut running = Running::start(&run.rack, &command, run.server, &dir, run.bmc_port).await?;
    running.tell();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = running.ended() => ended,
    };
    println!("the same again:  {}", running.replay());
    running.stop().await;
    ended
}

/// `text` as a shell takes it for one word.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Place {
    fn path(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("underlay-rack-{}", rustix::process::geteuid().as_raw()))
        })
    }

    fn socket(&self) -> PathBuf {
        self.path().join(control::SOCKET)
    }
}
