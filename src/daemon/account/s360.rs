//! S-360 as the origin, put together from its section.

use std::sync::Arc;

use super::Blueprint;
use crate::config;
use crate::error::{Error, Result};
use crate::remote::{Remote, Transport};

/// The adapter.
///
/// # Errors
/// An address or option is wrong.
pub(super) fn origin(
    _blueprint: &Blueprint,
    _section: &config::S360,
    _transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Remote>> {
    Err(Error::config("S-360 cannot be connected yet"))
}
