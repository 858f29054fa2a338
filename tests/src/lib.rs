//! Cross-crate tests: the real CLI, real firmware, real peers.
