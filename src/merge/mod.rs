//! Deciding, without side effects: canonical forms, three-way comparison, matching, explanation.
//!
//! Everything here is a pure function of its arguments. It refuses to read clocks, stores or remotes;
//! what it needs to know of the world (which record is whose counterpart) comes in as [`References`].

pub mod canonical;
pub mod compare;
pub mod explain;
pub mod flap;
pub mod mapping;
pub mod matching;
pub mod people;
pub mod plan;
pub mod transform;

pub use canonical::same;
pub use compare::{References, Translated};
