//! Who waits before the gate. Pure.

use std::collections::VecDeque;

use crate::remote::lane::Lane;

/// One line per lane, first come first served.
#[derive(Debug, Default)]
pub(super) struct Line {
    next: u64,
    waiting: [VecDeque<u64>; 3],
}

impl Line {
    /// Joins the line of `lane`; the number is the caller's place in it.
    pub(super) fn join(&mut self, lane: Lane) -> u64 {
        self.next += 1;
        self.waiting[lane as usize].push_back(self.next);
        self.next
    }

    /// Whether the caller with this number is the next of its lane.
    pub(super) fn is_first(&self, lane: Lane, number: u64) -> bool {
        self.waiting[lane as usize].front() == Some(&number)
    }

    /// Whether anybody waits in `lane`.
    pub(super) fn waits(&self, lane: Lane) -> bool {
        !self.waiting[lane as usize].is_empty()
    }

    /// Leaves the line, served or not.
    pub(super) fn leave(&mut self, lane: Lane, number: u64) {
        self.waiting[lane as usize].retain(|waiting| *waiting != number);
    }
}
