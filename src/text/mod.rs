//! The only door from remote strings to pixels.
//!
//! Everything a remote system sent is hostile until it has become a [`Safe`]: control characters,
//! direction overrides and invisible characters are *shown*, not dropped, because in a diff pane two
//! different values must never look the same. Raw values stay raw elsewhere and are what is pushed.
//! This layer does no I/O and knows nothing but strings.

mod diff;
mod emoji;
mod html;
mod pages;
mod plain;
mod safe;
mod width;

pub use diff::{Changed, word_diff};
pub use html::html_to_text;
pub use pages::{MOST_PAGE, Page, address_page, html_page, source_page};
pub use plain::{columns, plain_line};
pub use safe::{DEFAULT_LIMIT, Glyph, MAX_MARKS, Safe, is_revealed, strip_controls};
pub use width::{Fit, fit, pad, truncate, width, wrap};
