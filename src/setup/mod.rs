//! `accolade setup`: brings outside systems to the state that Accolade needs.
//!
//! An administrator's credentials are used for one run and never stored. What set-up may not change itself, it prints for an
//! administrator or reports.

pub mod directory;
pub mod discord;
pub mod keycloak;
