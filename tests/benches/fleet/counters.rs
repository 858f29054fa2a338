//! What the server counts, from its `/metrics`.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, Result};

/// What it has counted since its start.
#[derive(Clone, Debug)]
pub struct Counters(String);

impl Counters {
    /// Asks the server.
    ///
    /// # Errors
    /// It does not answer.
    pub fn read(address: &str) -> Result<Self> {
        let mut line = TcpStream::connect(address).context("connecting to the metrics")?;
        line.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        line.read_to_string(&mut answer).context("reading the metrics")?;
        Ok(Self(answer))
    }

    /// The sum of all counters of that name, whatever their labels.
    ///
    /// # Errors
    /// There is none.
    pub fn sum(&self, name: &str) -> Result<f64> {
        let values: Vec<f64> = self
            .0
            .lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        anyhow::ensure!(!values.is_empty(), "the server does not count {name}");
        Ok(values.iter().sum())
    }
}
