//! What others deliver to us: iVvy's notifications, sent through AWS SNS (N-07, `contracts/ivvy.md` 15).
//!
//! A notification is believed to be genuine only after both signatures were checked, and even then it means
//! no more than "look at record N": its data is never read as a record, and polling finds without it
//! whatever it could have told. `envelope` reads what arrives, `signature` and `keys` check who sent it,
//! `subject` knows what it is about, [`Intake`] decides and [`Receiver`] listens. Nothing here writes
//! to a remote.

mod envelope;
mod intake;
mod keys;
mod receiver;
mod signature;
mod subject;

pub use intake::{Counts, Intake, Seen, Verdict};
pub use keys::{KeyPlace, TrustedHosts};
pub use receiver::{PATH, Receiver};
