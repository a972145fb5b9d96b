//! Accolade turns a Discord membership into a real account.
//!
//! The modules; `docs/architecture.md` follows one request through them.
//!
//! | module | contents |
//! |---|---|
//! | [`domain`] | the core: pure decisions |
//! | [`accounts`] | the use-cases: what members, moderators and admins can do |
//! | [`config`] | the validated configuration; the only reader of the environment |
//! | [`clock`] | time and randomness as injected values |
//! | [`crash`] | named points where fault tests kill the process |
//! | [`messages`] | every text that people read |
//! | [`discord`] | the client for Discord's REST API |
//! | [`bot`] | the gateway: commands, buttons, forms |
//! | [`directory`] | the LDAP client |
//! | [`keycloak`] | the Keycloak client |
//! | [`net`] | rules of the network that several clients share |
//! | [`background`] | starts and stops the background loops |
//! | `jobs` | durable jobs: the only module that changes people, groups and accounts outside, and sends mail |
//! | `notify` | sends the outbox to Discord |
//! | `maintenance` | activations, expiry, purge |
//! | `worker` | what the background loops share |
//! | [`doctor`] | checks of the external systems; each problem has a code and a fix |
//! | [`setup`] | what `accolade setup` does, with an administrator's credentials |
//! | [`store`] | the database; all SQL is here |
//! | [`cli`] | one file for each verb of the command line |
//! | [`telemetry`] | logs and trace ids |
//! | [`app`] | wires all of this into a running service |
//! | [`web`] | health and metrics over HTTP |

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` must never be in a release build");

/// The tests inside the library and beside it share a harness, which uses this crate by its name.
#[cfg(test)]
extern crate self as accolade;

pub mod accounts;
pub mod app;
pub mod background;
pub mod bot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod directory;
pub mod discord;
pub mod doctor;
pub mod domain;
mod jobs;
pub mod keycloak;
mod maintenance;
pub mod messages;
pub mod net;
mod notify;
pub mod setup;
pub mod store;
pub mod telemetry;
pub mod web;
mod worker;
