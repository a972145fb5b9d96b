//! The use-cases: what members, moderators and admins can do, one file each.
//!
//! A use-case opens a transaction, loads facts, asks `domain`, writes the result *with* its audit row, outbox rows and job, and commits. It
//! only reads remote systems, and never inside a transaction; only jobs change them. No user-facing text is written here: the bot and the
//! command line get facts and codes, and render them through `messages`.
//!
//! Imports go one way: use-cases -> `authority` -> `context` -> `caller`, `error`. This file only re-exports.
//! Start with [`request`] (the member's side), then [`decide`] (the moderators').

pub mod audit_log;
mod authority;
mod caller;
pub mod cancel;
pub mod cards;
mod context;
pub mod decide;
pub mod deny_list;
pub mod diagnosis;
mod eligibility_check;
pub mod enable;
mod error;
mod examiner;
pub mod explain;
mod export_writer;
pub mod links;
pub mod not_me;
pub mod open;
pub mod panel;
pub mod password;
mod remote_state;
pub mod request;
pub mod requests;
pub mod restored;
pub mod retry;
pub mod status;
mod typed_form;

pub use crate::domain::phase::{AccountUnavailable, NotEnabled};
pub use crate::domain::request::FormInput;
pub use authority::{Admin, Purpose, ViewGrant};
pub use caller::{Caller, Operator, Proof, Reviewer};
pub use context::{Accounts, Clients};
pub use error::{BrokenRule, Details, Field, FieldFault, UseCaseError};
pub use examiner::{Examine, Examiner};
pub use export_writer::Format;

#[cfg(test)]
mod tests;
