//! The Connector as the CRM, put together from its section.

use std::sync::Arc;

use super::Blueprint;
use crate::config;
use crate::error::{Error, Result};
use crate::remote::{Remote, Transport};

/// The adapter.
///
/// # Errors
/// An address or option is wrong.
pub(super) fn crm(
    _blueprint: &Blueprint,
    _section: &config::Connector,
    _transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Remote>> {
    Err(Error::config("the Connector cannot be connected yet"))
}
