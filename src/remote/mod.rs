//! Remote systems behind one port.
//!
//! `transport` is the HTTP seam; `port` is what every system must offer and declare; one folder per
//! system implements it. This layer refuses to know the store, the engine or the terminal, and never
//! decides anything: it reports what a remote said, typed, and how sure we are that a write happened.

pub mod connector;
mod exchange;
pub mod extcrm;
pub mod gate;
pub mod http;
pub mod ivvy;
pub mod lane;
pub mod odoo;
pub mod port;
pub mod s360;
pub mod salesforce;
pub mod shelf;
#[cfg(test)]
pub(crate) mod stub;
pub mod transport;

pub use lane::Lane;
pub use port::{
    About, Capabilities, Class, ConditionalWrite, Conversion, DeleteEvidence, Entry, FieldDefinition, Guarantee,
    IdempotentCreate, Listing, MatchSupport, Page, PageRequest, Probe, Read, Remote, RemoteError, Sent, SourceUpdate,
    WriteAck,
};
pub use transport::{Transport, TransportError};
