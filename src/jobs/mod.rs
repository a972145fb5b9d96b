//! Durable jobs: claims a job, runs its steps, and records each result. No other module changes people, groups or accounts in the
//! directory and in Keycloak, or sends mail.
//!
//! Start with [`runner`] (one claimed job), then [`steps`] (what each step ensures) and [`record`] (the transaction behind each step).
//!
//! Rules of this module:
//! - Every write names the fence of its claim, so a worker that lost its lease writes nothing.
//! - No transaction is open during an outside call.
//! - Only the mail is counted before it is sent. Every other step looks first and can be repeated.
//!
//! Decisions about people live in `domain`, texts in `messages`, SQL in `store`.

mod call;
mod context;
mod lease;
mod outcome;
mod record;
pub(crate) mod runner;
mod steps;
mod transitions;

#[cfg(test)]
mod tests;
