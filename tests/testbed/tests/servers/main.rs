//! The testbed tried on itself: real servers, real refusals, and nothing left running.

mod access;
mod account;
mod leftovers;
mod mail;
mod plants;
mod postgres;
mod proxy;
mod realm;
mod slapd;
