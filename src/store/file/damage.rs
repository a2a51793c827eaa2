//! A damaged file as an error instead of a panic.
//!
//! redb believes the sizes in its header: on a file that was cut short or overwritten it panics while it
//! is opened. That is a finding about the file, not a defect of ours, and is told as one.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::store::error::{Result, StoreError};

static HOOK: Once = Once::new();

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `open`; a panic in it is reported as damage and printed nowhere.
pub(super) fn caught<T>(open: impl FnOnce() -> T) -> Result<T> {
    // The hook of whoever came before still speaks for every other panic.
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                before(info);
            }
        }));
    });
    EXPECTED.set(true);
    // Whatever the panic left half done is dropped here: nothing of it is used again.
    let opened = catch_unwind(AssertUnwindSafe(open));
    EXPECTED.set(false);
    opened.map_err(|_| StoreError::corrupt("its pages contradict each other; it was cut short or overwritten"))
}
