//! A CRM that takes POSTed arrays, put together from its section.

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
    _section: &config::Push,
    _transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Remote>> {
    Err(Error::config("a pushed CRM cannot be connected yet"))
}
