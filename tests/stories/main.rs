//! Stories: what people did and saw, through the simulated Discord, on the real servers.
//!
//! A story reads top to bottom. `harness::Story` holds the set-up and the few words that are not people's; each story ends with
//! `ends_clean`, which finds unread messages and mails, unfinished job, secrets in the log, and whatever the checker of the
//! five stores finds.

mod admins;
mod automatic;
mod buttons;
mod cancelling;
mod closed_messages;
mod denials;
mod doctor;
mod eligibility;
mod first_story;
mod foreign;
mod forms;
mod hostile;
mod leaving;
mod limits;
mod mails;
mod not_me;
mod panel;
mod password;
mod taken;
mod time;
