//! Stories: what people do and read in the simulated Discord, with the real servers.
//!
//! A story reads from top to bottom. `harness::Story` does the set-up and the actions that are not those of
//! people. Each story ends with `ends_clean`. It finds unread messages and mails, unfinished jobs, secrets in
//! the log, and every violation that the checker of the five stores reports.

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
mod gateway;
mod group_names;
mod hostile;
mod leaving;
mod limits;
mod mails;
mod membership;
mod not_me;
mod panel;
mod password;
mod refused_by_keycloak;
mod refused_channel;
mod taken;
mod time;
mod two_hundred_names;
