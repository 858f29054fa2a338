//! Real clients in a network namespace.
