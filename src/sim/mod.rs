//! Simulated remotes: real HTTP servers with a ledger of effects and fault knobs.
//!
//! Each simulator is written from its contract alone and is stricter than the real system. Nothing
//! here may use the engine, the store or an adapter of `remote`: a mistake copied from the client
//! would otherwise prove itself right. The only thing shared is the `remote::transport` seam, so that
//! a simulator can be called in the same task without sockets.
//!
//! `ledger` records every accepted effect, `fault` breaks calls on demand, `control` is the `/_sim`
//! API over both, `inprocess` and `serve` are the two ways to reach a simulator, `people` invents data.

pub mod command;
pub mod connector;
pub mod control;
pub mod demo;
pub mod extcrm;
pub mod fault;
pub mod inprocess;
pub mod ivvy;
pub mod ledger;
pub mod people;
pub mod s360;
pub mod salesforce;
mod server;

pub use server::{Line, Served, serve};
