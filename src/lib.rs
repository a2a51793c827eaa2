//! Tandem keeps iVvy and a CRM in step and lets people settle what a machine must not decide.
//!
//! Layers, lowest first (`docs/ARCHITECTURE.md`; `tests/architecture.rs` enforces the direction):
//! `model` → `text` → `merge` → `store`, `remote` → `sync`, `inbound` → `wire` → `daemon`, `client` → `tui`, `cli`.
//! `sim` holds simulated remotes and knows no engine internals.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod error;
pub mod inbound;
pub mod merge;
pub mod model;
pub mod remote;
pub mod seam;
pub mod sim;
pub mod store;
pub mod sync;
pub mod text;
pub mod tui;
pub mod wire;
