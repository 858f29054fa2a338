//! A rack held in memory, for the tests of machines and hosts: the store, the clock and the boxes are all in hand.
//!
//! - `rack`: objects, claims, observations, tokens and assignments; a step is committed as the store commits it
//! - `pools`: who wants a host, who is disturbed, what failed
//! - `standing`: what a decision makes of an object, by the store's rules
//! - `brakes`: freezes in hand
//! - `bounded`: scripted BMCs behind drivers that keep their promise
//! - `boxes`: what stands in the rack: firmware that boots, agents that call home and write, systems that come up
//! - `witness`: what each step did to the outside
//! - `corpus`: messages as programs word them, and what becomes of those on a bad way
//!
//! It is no measure of the store: that a commit is atomic, fenced and durable is shown there.

mod bounded;
mod boxes;
mod brakes;
pub(crate) mod corpus;
mod pools;
mod rack;
mod samples;
mod standing;
mod witness;
mod work;

pub(crate) use boxes::{Habit, Runs};
pub(crate) use rack::{Commits, Rack};
pub(crate) use samples::*;
pub(crate) use witness::Acted;
pub(crate) use work::Answer;
