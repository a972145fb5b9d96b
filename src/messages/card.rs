//! The card on which moderators decide, in each of its states.

use super::quote::code_span;
use super::{Lang, lines, mention, relative, say, say_with};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, Timestamp};
use crate::domain::job::Step;
use crate::domain::request::ANSWER_MAX;

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decider {
    /// A moderator, in chat or by the command line.
    Person(DiscordUserId),
    /// An operator without a Discord user, or an erased person since.
    Operator,
    /// A rule that approves by itself.
    Rule(String),
}

/// Where the request of a card stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardState {
    /// Waiting; the look at directory and Keycloak has not come back.
    NotYetChecked,
    /// Waiting; name and address are free.
    Free,
    /// Waiting for another name: this one is not free.
    NameTaken,
    /// Held: another account has this address. Nobody is named.
    AddressInUse,
    /// Held for another reason.
    Held(ErrorCode),
    /// Approved; the job runs.
    Making(Decider),
    /// The account stands, the mail is out or the password set.
    Made(Decider),
    /// The job waits for somebody: the button `Retry` (admins).
    NeedsOperator {
        /// Who approved.
        by: Decider,
        /// Where it stopped, if at a step.
        step: Option<Step>,
        /// Why.
        code: ErrorCode,
    },
    /// Denied.
    Denied {
        /// Who.
        by: Decider,
        /// The requester is not told.
        quiet: bool,
    },
    /// Taken back.
    Cancelled,
    /// Nobody decided in time.
    Expired,
    /// Approved, but the account could not be made; nothing was left behind.
    Failed(ErrorCode),
    /// The same, but a password was there: locked and kept.
    FailedAndKept(ErrorCode),
}

/// What a card says of the day somebody joined the guild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Then.
    At(Timestamp),
    /// Discord does not say.
    Unknown,
    /// Nothing: nobody has to decide any more.
    Untold,
}

/// What moderators may see of a request, and nothing else.
#[derive(Clone, Debug)]
pub struct CardFacts {
    /// The public code, such as `K7M2QX`.
    pub code: String,
    /// Who asks.
    pub requester: DiscordUserId,
    /// When they joined the guild.
    pub joined: Joined,
    /// The wanted user name.
    pub username: String,
    /// The rule that fits, if one does.
    pub rule: Option<String>,
    /// Their reason, as typed; `None` where none was asked or it was erased.
    pub answer: Option<String>,
    /// `…@domain`; `None` once it was erased.
    pub masked_address: Option<String>,
    /// How many requests of this person ended before this one.
    pub earlier: u32,
    /// When `Send` was pressed.
    pub sent_at: Timestamp,
    /// Where it stands.
    pub state: CardState,
}

/// The longest name or address that is quoted.
const QUOTED_MAX: usize = 254;

/// The whole text of the card. Its longest form is far below Discord's 2000 characters.
pub fn text(lang: Lang, facts: &CardFacts) -> String {
    let head = [
        ("code", code_span(&facts.code, QUOTED_MAX).into()),
        ("who", mention(facts.requester).into()),
        ("sent", relative(facts.sent_at).into()),
    ];
    let created =
        say_with(lang, "card-account-age", [("created", relative(facts.requester.created_at()).into())]);
    let joined = match facts.joined {
        Joined::At(at) => Some(say_with(lang, "card-joined", [("joined", relative(at).into())])),
        Joined::Unknown => Some(say(lang, "card-joined-unknown")),
        Joined::Untold => None,
    };
    let rule = match &facts.rule {
        Some(rule) => say_with(lang, "card-rule", [("rule", code_span(rule, QUOTED_MAX).into())]),
        None => say(lang, "card-no-rule"),
    };
    let optional = |key, name, value: Option<&String>, max| {
        value.map_or_else(String::new, |value| say_with(lang, key, [(name, code_span(value, max).into())]))
    };
    lines([
        say_with(lang, "card-head", head),
        [Some(created), joined].into_iter().flatten().collect::<Vec<_>>().join(" · "),
        say_with(lang, "card-username", [("username", code_span(&facts.username, QUOTED_MAX).into())]),
        optional("card-address", "address", facts.masked_address.as_ref(), QUOTED_MAX),
        rule,
        optional("card-answer", "answer", facts.answer.as_ref(), ANSWER_MAX),
        say_with(lang, "card-earlier", [("count", facts.earlier.into())]),
        state(lang, &facts.state),
    ])
}

fn state(lang: Lang, state: &CardState) -> String {
    let by = |key, by: &Decider| say_with(lang, key, [("who", decider(lang, by).into())]);
    let because = |key, code| say_with(lang, key, [("why", why(lang, code).into())]);
    match state {
        CardState::NotYetChecked => say(lang, "card-not-yet-checked"),
        CardState::Free => say(lang, "card-free"),
        CardState::NameTaken => say(lang, "card-name-taken"),
        CardState::AddressInUse => say(lang, "card-address-in-use"),
        CardState::Held(code) => because("card-held", *code),
        CardState::Making(who) => by("card-making", who),
        CardState::Made(who) => by("card-made", who),
        CardState::NeedsOperator { by: who, step, code } => {
            let given = [("who", decider(lang, who).into()), ("why", why(lang, *code).into())];
            lines([say_with(lang, "card-needs-operator", given), stopped_at(lang, *step)])
        }
        CardState::Denied { by: who, quiet: false } => by("card-denied", who),
        CardState::Denied { by: who, quiet: true } => by("card-denied-quietly", who),
        CardState::Cancelled => say(lang, "card-cancelled"),
        CardState::Expired => say(lang, "card-expired"),
        CardState::Failed(code) => because("card-failed", *code),
        CardState::FailedAndKept(code) => because("card-failed-kept", *code),
    }
}

fn decider(lang: Lang, by: &Decider) -> String {
    match by {
        Decider::Person(user) => mention(*user),
        Decider::Operator => say(lang, "card-cli-decided"),
        Decider::Rule(rule) => {
            say_with(lang, "card-rule-decided", [("rule", code_span(rule, QUOTED_MAX).into())])
        }
    }
}

fn stopped_at(lang: Lang, step: Option<Step>) -> String {
    step.map_or_else(String::new, |step| {
        say_with(lang, "card-stopped-at", [("step", step_words(lang, step).into())])
    })
}

/// The label of `Approve`.
pub fn approve_label(lang: Lang) -> String {
    say(lang, "button-approve")
}

/// The label of `Deny`.
pub fn deny_label(lang: Lang) -> String {
    say(lang, "button-deny")
}

/// The label of `Deny quietly`.
pub fn deny_quietly_label(lang: Lang) -> String {
    say(lang, "button-deny-quietly")
}

/// The label of `Retry`.
pub fn retry_label(lang: Lang) -> String {
    say(lang, "button-retry")
}

/// What admins read in the log channel when a job needs somebody.
pub fn needs_operator_notice(lang: Lang, code: &str, step: Option<Step>, because: ErrorCode) -> String {
    let given = [("code", code_span(code, QUOTED_MAX).into()), ("why", why(lang, because).into())];
    lines([say_with(lang, "operator-notice", given), stopped_at(lang, step)])
}

/// What admins read when an account that was to be ended had a password.
pub fn kept_notice(lang: Lang, code: &str) -> String {
    say_with(lang, "kept-notice", [("code", code_span(code, QUOTED_MAX).into())])
}

/// What admins read when a person said that somebody else set their password.
pub fn locked_notice(lang: Lang, code: &str, who: DiscordUserId) -> String {
    let given = [("code", code_span(code, QUOTED_MAX).into()), ("who", mention(who).into())];
    say_with(lang, "locked-notice", given)
}

/// What a code means for moderators and operators.
fn why(lang: Lang, code: ErrorCode) -> String {
    match code {
        ErrorCode::DirectoryDown => say(lang, "why-code-directory-down"),
        ErrorCode::DirectoryRefused => say(lang, "why-code-directory-refused"),
        ErrorCode::DirectoryConflict => say(lang, "why-code-directory-conflict"),
        ErrorCode::KeycloakDown => say(lang, "why-code-keycloak-down"),
        ErrorCode::KeycloakRightMissing => say(lang, "why-code-keycloak-right-missing"),
        ErrorCode::KeycloakUserNotOurs => say(lang, "why-code-keycloak-user-not-ours"),
        ErrorCode::ImportNotSeen => say(lang, "why-code-import-not-seen"),
        ErrorCode::GroupsNotSeen => say(lang, "why-code-groups-not-seen"),
        ErrorCode::MailRefused => say(lang, "why-code-mail-refused"),
        ErrorCode::MailUnknown => say(lang, "why-code-mail-unknown"),
        ErrorCode::DiscordDown => say(lang, "why-code-discord-down"),
        ErrorCode::DiscordRefused => say(lang, "why-code-discord-refused"),
        ErrorCode::NameUnavailable => say(lang, "why-code-name-unavailable"),
        ErrorCode::AddressInUse => say(lang, "why-code-address-in-use"),
        ErrorCode::MemberGone => say(lang, "why-code-member-gone"),
        ErrorCode::RoleLost | ErrorCode::NotEligible => say(lang, "why-code-role-lost"),
        ErrorCode::TooMany => say(lang, "why-code-too-many"),
        ErrorCode::StoreFull => say(lang, "why-code-store-full"),
        ErrorCode::AlreadyHasAccount
        | ErrorCode::RequestOpen
        | ErrorCode::NameIllegal
        | ErrorCode::AddressIllegal
        | ErrorCode::DeniedPerson
        | ErrorCode::NotModerator
        | ErrorCode::OwnRequest
        | ErrorCode::AlreadyDecided
        | ErrorCode::StaleButton
        | ErrorCode::StoreBusy
        | ErrorCode::Internal => say_with(lang, "why-code-other", [("code", code.code().into())]),
    }
}

/// What a step does, in the middle of a sentence.
pub(super) fn step_words(lang: Lang, step: Step) -> String {
    match step {
        Step::CheckAvailability => say(lang, "step-check-availability"),
        Step::Eligible => say(lang, "step-eligible"),
        Step::RecheckAvailability => say(lang, "step-recheck-availability"),
        Step::CreateEntry => say(lang, "step-create-entry"),
        Step::Groups => say(lang, "step-groups"),
        Step::AwaitImport => say(lang, "step-await-import"),
        Step::AwaitGroupSync => say(lang, "step-await-group-sync"),
        Step::Mail => say(lang, "step-mail"),
        Step::Invite => say(lang, "step-invite"),
        Step::Disable => say(lang, "step-disable"),
        Step::Lock => say(lang, "step-lock"),
        Step::EndSessions => say(lang, "step-end-sessions"),
        Step::CheckPassword => say(lang, "step-check-password"),
        Step::Remove => say(lang, "step-remove"),
        Step::Unlock => say(lang, "step-unlock"),
        Step::Finalize => say(lang, "step-finalize"),
        Step::GrantRole => say(lang, "step-grant-role"),
        Step::Resend => say(lang, "step-resend"),
    }
}
