//! What others post to us: iVvy's notifications through AWS SNS (N-07, `contracts/ivvy.md` 15), and S-360's records
//! (S-12, `contracts/connector_s360.md` 2.2).
//!
//! [`Receiver`] listens, once for all of them; [`Guard`] knows who may post. A notification is believed to be
//! genuine only after both signatures were checked, and even then it means no more than "look at record N": its
//! data is never read as a record, and polling finds without it whatever it could have told. `envelope` reads what
//! arrives, `signature` and `keys` check who sent it, `subject` knows what it is about, [`Intake`] decides. What
//! S-360 posts is put on the shelf ([`s360`]). Nothing here writes to a remote.

pub mod connector;
mod envelope;
pub mod guard;
mod intake;
mod keys;
mod notifications;
pub mod receiver;
pub mod s360;
mod signature;
mod subject;

pub use guard::Guard;
pub use intake::{Counts, Intake, Seen, Verdict};
pub use keys::{KeyPlace, TrustedHosts};
pub use notifications::{PATH, notification_routes};
pub use receiver::{Receiver, Routes};
