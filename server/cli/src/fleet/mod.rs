//! Many objects at once: what is wrong with how many of them, told so that eight and ten thousand read alike.
//!
//! - [`row`]: what a line says of an object, and what troubles it
//! - [`text`]: one wording for messages that differ in names and numbers only
//! - [`grouping`]: objects by state and by cause, counted in bounded memory; [`shared`]: what those with a cause have in common
//! - [`summary`]: the grouping as lines; [`screen`]: as many lines as a terminal has
//! - [`member`]: the nouns, page by page and as their changes arrive; [`choice`]: which of them are meant
//!
//! To add a noun, see docs/adding-a-resource.md and the list in [`member`].

pub mod choice;
pub mod grouping;
pub mod member;
pub mod row;
pub mod screen;
pub mod shared;
pub mod summary;
pub mod text;

#[cfg(test)]
mod tests;
