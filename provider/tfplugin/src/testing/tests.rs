//! Tests of the fake core.
