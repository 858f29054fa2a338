//! The API as callers meet it: a real server on a unix socket and on TLS, over a SQLite database of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod adoption;
mod agents;
mod audit;
mod auth;
mod brakes;
mod discovery;
mod harness;
mod machines;
mod objects;
mod operations;
mod watching;
