//! Acceptance: the assembled engine between iVvy and a CRM, over real HTTP, with a person deciding.
//!
//! Every test drives the real [`Engine`](tandem::sync::Engine) with the real adapters. iVvy is the
//! simulator on loopback; the CRM is the Salesforce simulator on loopback, or a real Odoo when
//! `ODOO_URL`, `ODOO_DB` and `ODOO_KEY` are set (`scripts/odoo start`, `eval "$(scripts/odoo env)"`;
//! `TANDEM_ODOO=1` makes their absence a failure). The scenarios do not know which CRM they run on.
//!
//! Nothing sleeps for a guessed time: a test waits until the engine is idle and every side has been
//! swept since the last edit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on must fail loudly"
)]

/// Each scenario as a test on a small world of its own, and all of them in turn for a real CRM.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        /// Every scenario, one after the other on one world.
        pub async fn all(world: &super::world::World) {
            $(
                println!("  {}", stringify!($name));
                $name(world).await;
            )+
        }

        mod on_salesforce {
            use crate::population::Shape;
            use crate::world::{Setup, World};

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let setup = Setup { conflicts: 1000, ..Setup::salesforce(Shape::pairs(8)) };
                    let world = World::in_step(setup).await;
                    super::$name(&world).await;
                    world.end().await;
                }
            )+
        }
    };
}

mod bookings;
mod connector;
mod consoles;
mod constant_ids;
mod conversion;
mod count;
mod custom_fields;
mod drift;
mod extcrm;
mod faults;
mod first_sync;
mod groups;
mod guards;
mod hand;
mod hierarchy;
mod isolation;
mod leads;
mod mapping;
mod match_tables;
mod merges;
mod merging;
mod modules;
mod notifications;
mod odoo;
#[path = "../odoo_server/mod.rs"]
mod odoo_server;
mod population;
mod preview;
mod rules;
mod runs;
mod s360;
mod setup;
mod socket;
mod staleness;
mod unstable;
mod verbs;
mod whole;
mod world;
