//! Tests of each client against its real server.
//!
//! `servers.rs` starts one slapd, one Keycloak and one mail catcher for all tests; each test has its own names and realm.
//! Tests that kill or freeze a server start one of their own.

mod answers;
mod any_text;
mod directory;
mod discord;
mod federations;
mod fine_grained;
mod journey;
mod keycloak;
mod mutated;
mod servers;
mod setup;
mod tls;
