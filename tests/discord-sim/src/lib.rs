//! A simulated Discord: it sends what Discord sends and refuses what Discord refuses.
//!
//! Start at [`Sim::start`]. The modules:
//!
//! - `ids`, `state`, `permissions`, `objects`: the state, and its JSON in Discord's format;
//! - `gateway`: the websocket; `rest`: the routes; `rate`: buckets and 429s; `faults`: the injected faults;
//! - `limits`, `commands`: what Discord refuses in messages, modals and commands;
//! - `interactions`: what people do; `sight`: what they see; `people`: the actions for tests; `burst`: many people at once, timed;
//! - `server`, `control`, `page`: the listeners, the control routes and the chat page.
//!
//! Nothing here may depend on the bot or on the libraries that the bot uses for Discord. An error in them must
//! not become a rule of the simulator.
// A guild has more than forty fields, and `json!` recurses once for each.
#![recursion_limit = "256"]
#![expect(
    clippy::disallowed_methods,
    reason = "the simulator owns its clock, its random numbers and its tasks"
)]

mod burst;
mod commands;
mod control;
mod control_channels;
mod faults;
mod fixture;
mod gateway;
mod ids;
mod interactions;
mod limits;
mod members;
mod objects;
mod people;
mod permissions;
mod rate;
mod record;
mod rest;
mod server;
mod sight;
mod state;

pub use faults::{Effect, Fault};
pub use fixture::load_fixture;
pub use ids::Id;
pub use interactions::{CannotDo, Field, Modal, Reply};
pub use people::{Bot, Channel, Guild, GuildBuilder, Person, PersonBuilder, Role};
pub use permissions::Permissions;
pub use record::{MemberFact, Request};
pub use server::{Options, Sim};
pub use sight::Unread;
pub use state::ChannelKind;
