//! The testbed tested on itself: real servers, real rejections, and no process left running.

mod access;
mod account;
mod leftovers;
mod mail;
mod plants;
mod postgres;
mod proxy;
mod realm;
mod slapd;
