//! Real servers for tests and the sandbox: slapd, Keycloak, PostgreSQL, a mail catcher, and a browser for the link in the mail. The
//! simulated Discord is elsewhere, and nothing here uses the bot's code.
//!
//! Start at [`TestServers`]: it contains one of each server in one folder, and stops all of them when it is dropped.

#![expect(clippy::disallowed_methods, reason = "the testbed owns real time, processes and the environment")]

pub mod bench;
pub mod bot_process;
pub mod browser;
mod cache;
mod certs;
pub mod checker;
pub mod config;
pub mod db_inspector;
pub mod faults;
mod folders;
pub mod impostor;
mod java;
pub mod keycloak;
pub mod keycloak_admin;
pub mod mail;
pub mod pooler;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod sandbox;
pub mod servers;
pub mod slapd;
pub mod stop;
pub mod waiting;

pub use bot_process::BotProcess;
pub use certs::Flaw;
pub use impostor::{Impostor, Opening};
pub use keycloak::{Keycloak, KeycloakOptions};
pub use mail::{CaughtMail, Mail, MailFault};
pub use pooler::{Pooler, Pooling};
pub use postgres::Postgres;
pub use process::{Launch, Process, clean_leftovers};
pub use proxy::Proxy;
pub use servers::{Part, ServerOptions, TestServers};
pub use slapd::{Managed, Slapd};
pub use waiting::wait_until;
