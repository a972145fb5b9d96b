//! The environments that the tests of Accolade run in.
//!
//! - [`shared()`] starts the servers once for a test binary; tests that break one of them take them with [`visit_alone`].
//! - [`Story`] has a guild and the bot in this process; people act and read. [`TestEnv`] has the bot as a process that may be killed.
//! - [`StepEnv`] has the worker alone, step by step. [`AccountsEnv`] has the use-cases alone. [`StoreEnv`] has the store alone.
//! - [`PushedClock`] is the clock of all of them, `testbed::config` writes every configuration, and
//!   [`DbInspector`] reads every database.

#![expect(clippy::missing_panics_doc, reason = "a test fails by a panic")]

mod accounts_env;
mod clock;
mod database;
mod db_triggers;
mod files;
mod guild;
mod log;
mod servers;
mod step_env;
mod store_env;

pub mod sections;
pub mod story;
pub mod test_env;

pub mod accounts {
    //! The use-cases on a store of their own.
    pub use crate::accounts_env::*;
}
pub mod store {
    //! The store on both databases.
    pub use crate::store_env::*;
}

pub use accounts_env::AccountsEnv;
pub use clock::PushedClock;
pub use files::{load_config, private_folder, write_secret};
pub use servers::{Harness, REALM, binary, shared, visit, visit_alone};
pub use step_env::{AUTOMATIC, MODERATORS, OutsideCall, OutsideState, Proxies, StepEnv, WithdrawnBy};
pub use store_env::StoreEnv;
pub use story::{Form, Frozen, Options, Rules, Story};
pub use test_env::{EnvOptions, IS_CLAIMED, SENT, TestEnv, bail_with, says_edited};
pub use testbed::config::{MAIL_CLIENT, write_private};
pub use testbed::db_inspector::DbInspector;
pub use testbed::faults::Database;
