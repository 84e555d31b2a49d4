//! JSON with positions, and what section readers are made of. serde_json does the parsing, one level at a time;
//! a [`Node`] is a value that has not been looked into yet and knows where it stands. [`Cx`] collects every problem
//! of the file, so that an operator mends them in one go.

mod cx;
mod json;
pub(crate) mod nearest;
mod object;
mod places;
mod problem;
pub(super) mod read;
pub(crate) mod units;
pub(super) mod write;

pub(super) use cx::Cx;
pub(super) use json::{Entry, Kind, Node, root};
pub(super) use object::Object;
#[cfg(test)]
pub(super) use places::PLACES;
pub(super) use problem::{Complaint, quote};
pub use problem::{Problem, Problems};
