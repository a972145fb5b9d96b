//! The simulator against Discord's rules, judged where possible by others than its author.
#![recursion_limit = "256"]

mod client;
mod control;
mod files;
mod gateway;
mod interactions;
mod judges;
mod routes;
