//! The iVvy adapter.
