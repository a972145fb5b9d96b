//! The core: the rules of Accolade, without I/O, clock, randomness, async or logging.
//!
//! Facts go in, decisions come out. Nothing here may import another module, a client library or `tokio`.
//! Start with [`request`] (what a person asks for), [`account`] (what they get) and [`job`] (how it is made).
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | person | a human with our own id; the Discord user behind it may change |
//! | request | what a person asked for in chat, from `draft` to its end |
//! | account | the link Discord ↔ directory entry ↔ Keycloak user of one person |
//! | entry | the person's object in the directory |
//! | mark | the value `accolade:<account id>` on an entry: it says that the entry is ours |
//! | rule | one line of a guild's policy: who may have an account, with which groups, approved by whom |
//! | card | the message on which moderators decide |
//! | job | a durable series of steps for one person; the job row is the saga |
//! | step | one convergent part of a job: look, act if needed, read back |
//! | client | a module that talks to one outside system: `store`, `directory`, `keycloak`, `discord` |
//! | error code | a stable code for every refusal or failure that people and programs see |
//! | finding | a stable code for something outside this program that `doctor` found wrong |

pub mod account;
pub mod approval;
pub mod audit;
pub mod card;
pub mod cause;
pub mod comparison;
pub mod diagnosis;
pub mod dn;
pub mod eligibility;
pub mod error_code;
pub mod finding;
pub mod freshness;
pub mod guild_rights;
pub mod ids;
pub mod job;
pub mod lang;
pub mod ldap_filter;
pub mod ldap_result;
pub mod link;
pub mod listing;
pub mod mail;
pub mod mail_address;
pub mod matching;
pub mod member;
pub mod notification;
pub mod panel;
pub mod person;
pub mod person_name;
pub mod phase;
pub mod profile_rules;
pub mod reference;
pub mod refusal;
pub mod request;
pub mod retry;
pub mod status;
pub mod summary;
pub mod table;
pub mod username;
pub mod wait;
