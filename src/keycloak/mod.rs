//! The only client of Keycloak.
//!
//! From the bottom: `http` (one call), `token` (the access token), `client` (calls with a token). Above them [`Keycloak`] is the
//! service client, and [`Admin`] an administrator for `setup` and `doctor`.

mod admin;
mod client;
mod error;
mod events;
pub mod federation;
pub mod fine_grained;
mod http;
mod inspect;
mod page;
mod person;
mod placeholder;
pub mod profile;
mod resolve;
mod service;
pub mod texts;
mod token;

pub use admin::{Admin, AdminServer};
pub use error::KeycloakError;
pub use events::{Event, Events};
pub use http::CALL_LIMIT;
pub use inspect::{AllowedActions, TokenClaims};
pub use page::last_page_status;
pub use person::{Actions, Enabled, Holders, Import, MailOutcome, User};
pub use service::{Keycloak, StandIn};
