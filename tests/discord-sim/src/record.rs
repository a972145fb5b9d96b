//! What happened, with virtual times: requests, memberships, violations. Checks read it afterwards.

use serde::Serialize;
use serde_json::Value;

use crate::ids::Id;
use crate::state::SimState;

/// A request that a bot made.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// Virtual Unix milliseconds at which it arrived.
    pub at_ms: i64,
    /// `POST /channels/{channel}/messages`: method and route, without ids and tokens.
    pub route: String,
    /// The path as requested, with interaction tokens masked.
    pub path: String,
    /// The application that sent it, if its token was valid.
    pub app: Option<Id>,
    /// The status of the answer; 0 when the connection was cut.
    pub status: u16,
    /// Discord's error code, if the answer had one.
    pub code: Option<i64>,
    /// The JSON body, with tokens masked.
    pub body: Value,
    /// Whether it was sent before the time that a 429 had asked to wait was over.
    pub inside_retry_after: bool,
}

/// A member's state from a moment on, until the next fact about the same member.
#[derive(Debug, Clone, Serialize)]
pub struct MemberFact {
    /// Virtual Unix milliseconds.
    pub at_ms: i64,
    /// The guild.
    pub guild: Id,
    /// The user.
    pub user: Id,
    /// What happened: `joined`, `left`, `kicked`, `banned`, `unbanned`, `roles`, `changed`.
    pub event: &'static str,
    /// Whether the user is a member afterwards.
    pub present: bool,
    /// Whether the user is banned afterwards.
    pub banned: bool,
    /// Whether membership screening is still open afterwards.
    pub pending: bool,
    /// Until when the member is timed out.
    pub timeout_until_ms: Option<i64>,
    /// All roles afterwards.
    pub roles: Vec<Id>,
}

/// The records that are kept for the whole lifetime of a simulator.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) requests: Vec<Request>,
    pub(crate) members: Vec<MemberFact>,
    pub(crate) violations: Vec<String>,
    pub(crate) unknown_routes: Vec<String>,
    /// Interactions that were not answered in time, as shown to people.
    pub(crate) silences: Vec<String>,
    /// When a bot last identified, in virtual Unix milliseconds.
    pub(crate) identified_ms: Option<i64>,
    /// `(time, what)`: gateway connections, closes, dispatch counts.
    pub(crate) gateway: Vec<(i64, String)>,
}

impl SimState {
    /// Records that a bot broke one of Accolade's own rules, which Discord itself would allow.
    pub(crate) fn note_violation(&mut self, what: String) {
        tracing::error!(violation = %what, "the bot broke a rule");
        self.record.violations.push(what);
    }

    /// Records a member's state after `event`.
    pub(crate) fn note_member(&mut self, guild: Id, user: Id, event: &'static str) {
        let at_ms = self.now_ms();
        let Some(found) = self.guilds.get(&guild) else {
            return;
        };
        let member = found.members.get(&user);
        self.record.members.push(MemberFact {
            at_ms,
            guild,
            user,
            event,
            present: member.is_some(),
            banned: found.bans.contains_key(&user),
            pending: member.is_some_and(|m| m.pending),
            timeout_until_ms: member.and_then(|m| m.timeout_until_ms),
            roles: member.map(|m| m.roles.clone()).unwrap_or_default(),
        });
    }

    pub(crate) fn note_gateway(&mut self, what: String) {
        let at_ms = self.now_ms();
        self.record.gateway.push((at_ms, what));
    }

    /// Records that an interaction was not answered in time.
    pub(crate) fn note_silence(&mut self, interaction: Id) {
        let Some(found) = self.interactions.get_mut(&interaction) else {
            return;
        };
        if found.failed {
            return;
        }
        found.failed = true;
        let user = self.users.get(&found.user).map_or_else(String::new, |user| user.username.clone());
        let line = format!("{user}: {}: The application did not respond", found.what);
        self.record.silences.push(line);
    }
}
