//! The environments that the tests of Accolade run in.
//!
//! - [`shared()`] starts the servers once for each test binary; a test that breaks one of them locks them with [`visit_alone`].
//! - [`Story`] runs a guild and the bot in this process; people act and read. [`TestEnv`] runs the bot as a process that may be killed.
//! - [`StepEnv`] runs only the worker, step by step. [`AccountsEnv`] has only the use cases. [`StoreEnv`] has only the store.
//! - [`PushedClock`] is the clock of all of them, `testbed::config` writes every configuration, and
//!   [`DbInspector`] reads every database.

#![expect(clippy::missing_panics_doc, reason = "a test fails by a panic")]

mod accounts_env;
mod clock;
mod database;
mod db_editor;
mod files;
mod guild;
mod log;
mod servers;
mod step_env;
mod store_env;

pub mod health_page;
pub mod sections;
pub mod story;
pub mod test_env;

pub mod accounts {
    //! The use cases with a store of their own.
    pub use crate::accounts_env::*;
}
pub mod store {
    //! The store, on both databases.
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
