//! What the simulated CRM takes and what it refuses.
