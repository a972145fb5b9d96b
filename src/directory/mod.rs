//! The only LDAP client. A process has one [`Directory`], whose clones share one connection that is opened again after a loss.
//!
//! Verbs are idempotent: they read, write only if needed, and read back what they can't know. Every write names an entry by
//! [`OwnedEntry`] (permanent id, mark, Discord id), and is refused unless the entry carries all three.
//! No password is read, compared or set, except by attempts of the self-test that must fail.
//!
//! Start with `person.rs` (the types), then `entries.rs` and `groups.rs` (the verbs), `client.rs` (requests) and `connection.rs`.

mod client;
mod connection;
mod entries;
mod error;
mod filter;
mod groups;
mod index;
mod names;
mod people_seen;
mod person;
mod profile;
mod result_code;
mod schema;
mod self_test;
mod server;
mod time;

pub use client::Directory;
pub use connection::VERB_LIMIT;
pub use error::DirectoryError;
pub use index::{AttributeIndex, IndexKind, needed_indexes};
pub use names::Names;
pub use people_seen::{PeopleSeen, SearchDepth};
pub use person::{Added, By, Entry, Holders, Membership, NewPerson, OwnedEntry, Removed, Taken};
pub use schema::ClassProblem;
pub use self_test::{AttemptResult, SelfTest};
pub use server::ServerSettings;
