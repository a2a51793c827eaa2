//! The simulated Connector against its contract.
