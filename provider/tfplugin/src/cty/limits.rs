//! Bounds on what a decoder accepts: past them the answer is an error, not memory or stack.

/// The deepest nesting of types and values, in levels.
pub const MAX_DEPTH: usize = 96;
/// The most values one message may hold, counting every element and attribute.
pub const MAX_NODES: usize = 8_000_000;
/// The longest number, in decimal digits.
pub const MAX_DIGITS: usize = 4096;
