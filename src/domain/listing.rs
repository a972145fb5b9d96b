//! The facts of one request, link or row of the audit log, as moderators and admins see them in a list.

use super::account::AccountState;
use super::error_code::ErrorCode;
use super::ids::{DiscordUserId, Timestamp};
use super::request::RequestState;

/// A request in a list.
#[derive(Clone, Debug)]
pub struct RequestFacts<'a> {
    /// Its code.
    pub code: &'a str,
    /// The requester, unless erased.
    pub requester: Option<DiscordUserId>,
    /// Its state.
    pub state: RequestState,
    /// Why it is in this state.
    pub reason_code: Option<ErrorCode>,
    /// What one of its jobs waits for.
    pub waits_for: Option<ErrorCode>,
    /// The requested name.
    pub username: &'a str,
    /// When the form was sent in.
    pub created_at: Timestamp,
    /// It is open and moderators have no card of it.
    pub lacks_card: bool,
}

/// An account as the store has it.
#[derive(Clone, Debug)]
pub struct LinkFacts<'a> {
    /// The user name.
    pub username: &'a str,
    /// Its state.
    pub state: AccountState,
    /// The owner, unless erased.
    pub discord_id: Option<DiscordUserId>,
    /// The id of the account.
    pub account_id: String,
    /// The code of the request that created it.
    pub request_code: Option<&'a str>,
    /// When the mail was sent.
    pub invited_at: Option<Timestamp>,
    /// When the first password was seen.
    pub activated_at: Option<Timestamp>,
}

/// A row of the audit log.
#[derive(Clone, Debug)]
pub struct AuditFacts<'a> {
    /// Its number in the log.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// The event.
    pub event: &'a str,
    /// Where the change came from: chat, the command line or the service.
    pub source: &'a str,
    /// Who acted: a Discord user, or the text of the column.
    pub actor: Result<DiscordUserId, &'a str>,
    /// The person it concerns, if any.
    pub subject: Option<Result<DiscordUserId, &'a str>>,
    /// The code of the request.
    pub request_code: Option<&'a str>,
    /// The value before the change.
    pub before: Option<&'a str>,
    /// The value after the change.
    pub after: Option<&'a str>,
    /// The reason.
    pub reason_code: Option<&'a str>,
}
