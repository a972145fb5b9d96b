//! The simulator against Discord's rules, which are checked with independent sources where possible.
#![recursion_limit = "256"]

mod client;
mod control;
mod files;
mod gateway;
mod interactions;
mod judges;
mod routes;
