//! Operator verbs over the public API.

pub mod ramdisk;
