//! Operator verbs over the public API.
