//! Waits for what a machine says on its serial port, which is a file that grows.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::GLANCE;

/// Wait until the file holds `text` `times` times; returns how long that took.
///
/// # Errors
/// It does not within `patience`; the error shows the end of the file.
pub async fn says(path: &Path, text: &str, times: usize, patience: Duration) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let said = read(path).await;
        if said.matches(text).count() >= times {
            return Ok(began.elapsed());
        }
        if began.elapsed() > patience {
            let lines: Vec<_> = said.lines().rev().take(25).collect();
            let end: Vec<_> = lines.into_iter().rev().collect();
            bail!(
                "{} does not say {text:?} {times}x in {patience:?}; it ends:\n{}",
                path.display(),
                end.join("\n")
            );
        }
        sleep(GLANCE).await;
    }
}

/// All that was said so far; nothing where there is no file yet.
pub async fn read(path: &Path) -> String {
    String::from_utf8_lossy(&tokio::fs::read(path).await.unwrap_or_default()).into_owned()
}
