//! A member asks for an account: the form, the draft, `Change` and `Send`.
//!
//! Everything is decided by the interaction's member data and the store alone.

use std::time::Duration;

use super::caller::Caller;
use super::context::Accounts;
use super::eligibility_check::{has_account, waits_for_another_name};
use super::error::{BrokenRule, Details, Field, FieldFault, UseCaseError};
use super::password::phase_of;
use crate::config::Guild;
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::eligibility::{Approval, Rule};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{Nonce, PersonId, RequestId, Timestamp};
use crate::domain::job::JobKind;
use crate::domain::mail_address::MailAddress;
use crate::domain::person_name::PersonName;
use crate::domain::request::{Answer, Form, FormInput, Request, RequestKind, RequestState, TypedForm};
use crate::domain::username::{Username, suggest_username};
use crate::messages::notice;
use crate::store::{
    DecisionCase, DraftChanged, NewDraft, NewJob, RateLimitKind, RequestMove, RequestMoved, SendDraft,
    SendNow, Sent as StoreSent, StoreError, Tx,
};

/// How long a draft waits for `Send`. The interaction's token is valid for the same time, so the message can still be changed.
const DRAFT_LIVES: Duration = Duration::from_mins(15);

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What the form shows when it opens.
#[derive(Clone, PartialEq, Eq)]
pub struct Prefill {
    /// A legal user name, or empty.
    pub username: String,
    /// Empty in a first form.
    pub address: String,
    /// Empty in a first form.
    pub given: String,
    /// Empty in a first form.
    pub family: String,
    /// Empty in a first form.
    pub answer: String,
    /// Whether the form asks for a reason.
    pub asks_reason: bool,
    /// The maximum length of a user name, in characters.
    pub max_username: usize,
}

impl std::fmt::Debug for Prefill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prefill(…)")
    }
}

/// A draft as it is shown to its author.
#[derive(Clone, Debug)]
pub struct DraftShown {
    /// The draft, with its form; its id and nonce belong on the buttons.
    pub request: Request,
    /// Until when `Send` is possible.
    pub expires_at: Timestamp,
    /// Which version of the privacy notice to show.
    pub notice_version: i64,
}

/// The request is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The public code.
    pub code: String,
    /// A rule will approve it if the name and the address are free.
    pub automatic: bool,
    /// It was already sent: this press changed nothing.
    pub again: bool,
}

impl Accounts {
    /// Checks whether the form may open, and returns what it shows.
    pub async fn open_form(&self, caller: &Caller) -> Result<Prefill, UseCaseError> {
        self.within_limit(async {
            let (_, rule) = self.fitting_rule(caller)?;
            let present = self.may_ask(caller.user_id).await?;
            match present.former.and_then(|former| former.form) {
                Some(form) => Ok(self.filled(&form, rule)),
                None => Ok(self.fresh(caller, rule)),
            }
        })
        .await
    }

    /// Stores a first form as a draft. The same interaction always gets the same draft.
    pub async fn save_draft(&self, caller: &Caller, typed: FormInput) -> Result<DraftShown, UseCaseError> {
        self.within_limit(async {
            let (guild, rule) = self.fitting_rule(caller)?;
            let form = match self.parse_form(&typed, rule) {
                Ok(form) => form,
                Err(faults) => {
                    let typed = TypedForm { draft: None, input: typed };
                    return Err(self.invalid_form(caller, guild, typed, faults).await);
                }
            };
            self.may_ask(caller.user_id).await?;
            let person = PersonId::new(self.store().ids().uuid());
            // A draft needs no durable commit: after a power cut, the person only has to fill in the form again.
            let draft = self.new_draft(caller, guild, rule, person, form);
            let draft = self.store().save_draft(caller.user_id, draft).await?;
            Ok(self.shown(draft))
        })
        .await
    }

    /// What the form shows when `Change` opens it again.
    pub async fn change_form(
        &self,
        caller: &Caller,
        id: RequestId,
        nonce: Nonce,
    ) -> Result<Prefill, UseCaseError> {
        self.within_limit(async {
            let (_, rule) = self.fitting_rule(caller)?;
            let draft = self.own_draft(caller, id, nonce).await?;
            let is_over = draft.expires_at.is_some_and(|at| at <= self.clock().now());
            match (draft.state, &draft.form) {
                (RequestState::Draft, Some(form)) if !is_over => Ok(self.filled(form, rule)),
                (_, _) => Err(no_draft(&draft)),
            }
        })
        .await
    }

    /// Stores the changed form in the same draft.
    pub async fn change_draft(
        &self,
        caller: &Caller,
        id: RequestId,
        nonce: Nonce,
        typed: FormInput,
    ) -> Result<DraftShown, UseCaseError> {
        self.within_limit(async {
            let (guild, rule) = self.fitting_rule(caller)?;
            let form = match self.parse_form(&typed, rule) {
                Ok(form) => form,
                Err(faults) => {
                    let typed = TypedForm { draft: Some(id), input: typed };
                    return Err(self.invalid_form(caller, guild, typed, faults).await);
                }
            };
            let mut tx = self.store().begin().await?;
            let person = tx.person_of(caller.user_id).await?.ok_or(ErrorCode::StaleButton)?;
            let draft = self.new_draft(caller, guild, rule, person.id, form);
            let changed = tx.change_draft(id, nonce, draft).await?;
            tx.commit_relaxed("draft").await?;
            match changed {
                DraftChanged::Done(draft) => Ok(self.shown(draft)),
                DraftChanged::NotDraft(request) => Err(no_draft(&request)),
                DraftChanged::Expired(_) => Err(expired()),
                DraftChanged::Stale => Err(ErrorCode::StaleButton.into()),
            }
        })
        .await
    }

    /// Turns the draft into a request. A second press changes nothing and returns `again`.
    pub async fn send(&self, caller: &Caller, id: RequestId, nonce: Nonce) -> Result<Sent, UseCaseError> {
        self.within_limit(async {
            let draft = self.own_draft(caller, id, nonce).await?;
            let answer = match self.answer_for_no_draft(caller, &draft) {
                Some(answer) => answer,
                None => Box::pin(self.send_draft(caller, &draft)).await,
            };
            match answer {
                Err(denied) if is_audited(denied.error_code) => {
                    Box::pin(self.note_refused_send(&draft, denied)).await
                }
                Ok(sent) => {
                    // The commit of another press may not have been flushed to the disk yet.
                    self.store().flushed().await?;
                    Ok(sent)
                }
                refused => refused,
            }
        })
        .await
    }

    /// The request that the button names, read in one statement: it must be the caller's, with this nonce.
    async fn own_draft(&self, caller: &Caller, id: RequestId, nonce: Nonce) -> Result<Request, UseCaseError> {
        let case = self.store().read_relaxed().await?.decision_case(id).await?;
        let is_own =
            |case: &DecisionCase| case.applicant == Some(caller.user_id) && case.request.nonce == nonce;
        Ok(case.filter(is_own).ok_or(ErrorCode::StaleButton)?.request)
    }

    /// The one transaction of `Send`: request, audit row, card and check. Usually one statement checks everything and sends; otherwise
    /// further statements find out what prevents it.
    async fn send_draft(&self, caller: &Caller, draft: &Request) -> Result<Sent, UseCaseError> {
        let (guild, rule) = self.fitting_rule(caller)?;
        if draft.username.is_reserved(&self.config().username.reserved) {
            return Err(ErrorCode::NameUnavailable.into());
        }
        let expires_at = self.clock().now().after(self.config().request.expires_after);
        // If the rule approves at once, its job may use the same facts. A moderator decides later, and the member is read again.
        if let (Approval::Automatic, Some(discord), Some(member)) =
            (rule.approval, &self.clients().discord, &caller.member)
        {
            discord.note_member(member);
        }
        let mut tx = self.store().begin().await?;
        let send = SendNow { draft, applicant: caller.user_id, rule: &rule.name, expires_at };
        if let Some(request) = Box::pin(tx.send_now(send)).await? {
            self.take_request_rate_limit(&mut tx, draft.person_id).await?;
            record_sending(&mut tx, &request, guild).await?;
            tx.commit("send").await?;
            return Ok(sent(&request, rule, false));
        }
        let address = draft.form.as_ref().map(|form| &form.address);
        if tx.denial_of(caller.user_id, address).await?.is_some() {
            return Err(ErrorCode::DeniedPerson.into());
        }
        make_room_for(&mut tx, draft.person_id).await?;
        self.take_request_rate_limit(&mut tx, draft.person_id).await?;
        let send = SendDraft {
            id: draft.id,
            person_id: draft.person_id,
            nonce: draft.nonce,
            rule: Some(rule.name.clone()),
            expires_at,
        };
        match tx.send_draft(send).await? {
            StoreSent::Sent(request) => {
                record_sending(&mut tx, &request, guild).await?;
                tx.commit("send").await?;
                Ok(sent(&request, rule, false))
            }
            StoreSent::AlreadySent(request) => Ok(sent(&request, rule, true)),
            StoreSent::NameTaken(_) => Err(ErrorCode::NameUnavailable.into()),
            StoreSent::RequestOpen(request) => {
                Err(UseCaseError::with(ErrorCode::RequestOpen, Details::Open { code: request.code }))
            }
            StoreSent::HasAccount(account) => {
                let jobs = tx.unfinished_jobs_of(draft.person_id).await?;
                let latest = tx.latest_request_of(draft.person_id).await?;
                Err(has_account(phase_of(&account, &jobs), latest.as_ref()))
            }
            StoreSent::Expired => Err(expired()),
            StoreSent::Stale => Err(ErrorCode::StaleButton.into()),
        }
    }

    /// Counts one request of the person, unless they have reached the limit of a day.
    async fn take_request_rate_limit(&self, tx: &mut Tx, person: PersonId) -> Result<(), UseCaseError> {
        let allowed = self.config().rate_limits.requests_per_person;
        let is_counted =
            tx.take_rate_limit(RateLimitKind::RequestPerson, &person.to_string(), allowed, DAY).await?;
        if is_counted { Ok(()) } else { Err(ErrorCode::TooMany.into()) }
    }

    /// The answer if the request is no longer a draft that can be sent; `None` if it is.
    fn answer_for_no_draft(&self, caller: &Caller, request: &Request) -> Option<Result<Sent, UseCaseError>> {
        match request.state {
            RequestState::Draft if request.expires_at.is_none_or(|at| at > self.clock().now()) => None,
            RequestState::Draft => Some(Err(expired())),
            // An expired request without a form was a draft that was never sent.
            RequestState::Expired if request.form.is_none() => Some(Err(no_draft(request))),
            RequestState::Cancelled => Some(Err(no_draft(request))),
            RequestState::Waiting
            | RequestState::Held
            | RequestState::Approved
            | RequestState::Denied
            | RequestState::Expired
            | RequestState::Failed => {
                let automatic = caller
                    .guild_id
                    .and_then(|id| self.config().guild(id))
                    .and_then(|guild| {
                        guild.policy.rules.iter().find(|rule| request.rule.as_ref() == Some(&rule.name))
                    })
                    .is_some_and(|rule| rule.approval == Approval::Automatic);
                Some(Ok(Sent { code: request.code.clone(), automatic, again: true }))
            }
        }
    }

    /// Records a refused `Send` in the audit log. Taken names are counted: a person who tries too many is no longer told that a name is
    /// taken.
    async fn note_refused_send(&self, draft: &Request, refused: UseCaseError) -> Result<Sent, UseCaseError> {
        let mut tx = self.store().begin().await?;
        let mut refused = refused;
        if refused.error_code == ErrorCode::NameUnavailable {
            let allowed = self.config().rate_limits.name_checks_per_person;
            if !tx
                .take_rate_limit(RateLimitKind::NameCheck, &draft.person_id.to_string(), allowed, HOUR)
                .await?
            {
                refused = ErrorCode::TooMany.into();
            }
        }
        tx.audit(
            Entry::new(Event::RequestRefused, Source::Chat, Actor::Person(draft.person_id))
                .about(draft.person_id)
                .in_guild(draft.guild_id)
                .of_request(draft.id)
                .because(refused.error_code),
        );
        tx.commit("send_refused").await?;
        Err(refused)
    }

    /// Checks every field and reports all faults at once.
    fn parse_form(&self, typed: &FormInput, rule: &Rule) -> Result<Form, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let username = Username::parse(&typed.username, self.config().username.max)
            .map_err(|broken| {
                faults.push(fault(Field::Username, ErrorCode::NameIllegal, BrokenRule::Username(broken)));
            })
            .ok();
        let address = MailAddress::parse(&typed.address)
            .map_err(|broken| {
                faults.push(fault(Field::Address, ErrorCode::AddressIllegal, BrokenRule::Address(broken)));
            })
            .ok();
        let mut person_name = |field, typed: &str| {
            PersonName::parse(typed)
                .map_err(|broken| faults.push(fault(field, ErrorCode::NameIllegal, BrokenRule::Name(broken))))
                .ok()
        };
        let given = person_name(Field::Given, &typed.given);
        let family = person_name(Field::Family, &typed.family);
        let answer = typed.answer.as_deref().filter(|_| rule.ask_reason).and_then(Answer::parse);
        if rule.ask_reason && answer.is_none() {
            faults.push(fault(Field::Answer, ErrorCode::NameIllegal, BrokenRule::AnswerMissing));
        }
        faults.extend(self.refused_by_realm([
            (Field::Username, username.as_ref().map(Username::as_str)),
            (Field::Address, address.as_ref().map(MailAddress::as_str)),
            (Field::Given, given.as_ref().map(PersonName::as_str)),
            (Field::Family, family.as_ref().map(PersonName::as_str)),
        ]));
        match (username, address, given, family) {
            (Some(username), Some(address), Some(given), Some(family)) if faults.is_empty() => {
                Ok(Form { username, address, given, family, answer })
            }
            (_, _, _, _) => Err(faults),
        }
    }

    /// The values that the realm's user profile would refuse later, as far as the profile is known.
    fn refused_by_realm(&self, values: [(Field, Option<&str>); 4]) -> Vec<FieldFault> {
        let Some(keycloak) = &self.clients().keycloak else { return Vec::new() };
        let rules = keycloak.profile_rules();
        let of_field = |(field, value): (Field, Option<&str>)| {
            let (rules, error_code) = match field {
                Field::Username => (&rules.username, ErrorCode::NameIllegal),
                Field::Address => (&rules.address, ErrorCode::AddressIllegal),
                Field::Given => (&rules.given, ErrorCode::NameIllegal),
                Field::Family => (&rules.family, ErrorCode::NameIllegal),
                Field::Answer => return None,
            };
            Some(fault(field, error_code, BrokenRule::Realm(rules.broken_by(value?)?)))
        };
        values.into_iter().filter_map(of_field).collect()
    }

    fn new_draft(
        &self,
        caller: &Caller,
        guild: &Guild,
        rule: &Rule,
        person_id: PersonId,
        form: Form,
    ) -> NewDraft {
        NewDraft {
            person_id,
            guild_id: guild.id,
            kind: RequestKind::Account,
            form,
            rule: Some(rule.name.clone()),
            notice_version: notice::VERSION,
            lang: caller.lang.tag().to_owned(),
            interaction_id: caller.interaction_id,
            expires_at: self.clock().now().after(DRAFT_LIVES),
        }
    }

    fn shown(&self, draft: Request) -> DraftShown {
        let expires_at = draft.expires_at.unwrap_or_else(|| self.clock().now());
        DraftShown { notice_version: draft.notice_version, expires_at, request: draft }
    }

    fn filled(&self, form: &Form, rule: &Rule) -> Prefill {
        Prefill {
            username: form.username.as_str().to_owned(),
            address: form.address.shown(),
            given: form.given.as_str().to_owned(),
            family: form.family.as_str().to_owned(),
            answer: form.answer.as_ref().map(|answer| answer.as_str().to_owned()).unwrap_or_default(),
            asks_reason: rule.ask_reason,
            max_username: self.config().username.max,
        }
    }

    fn fresh(&self, caller: &Caller, rule: &Rule) -> Prefill {
        let username = &self.config().username;
        let suggested = caller.member.as_ref().and_then(|member| {
            suggest_username(
                &member.user_name,
                member.display_name.as_deref(),
                username.max,
                &username.reserved,
            )
        });
        Prefill {
            username: suggested.map(|name| name.as_str().to_owned()).unwrap_or_default(),
            address: String::new(),
            given: String::new(),
            family: String::new(),
            answer: String::new(),
            asks_reason: rule.ask_reason,
            max_username: username.max,
        }
    }
}

/// Cancels the request that waits for another name, because the new one replaces it.
async fn make_room_for(tx: &mut Tx, person: PersonId) -> Result<(), UseCaseError> {
    let Some(former) = tx.open_request_of(person).await?.filter(waits_for_another_name) else {
        return Ok(());
    };
    let change = RequestMove { reason_code: former.reason_code, rule: None, expires_at: None };
    if let RequestMoved::Done(cancelled) = tx.move_request(&former, RequestState::Cancelled, change).await? {
        tx.audit(
            Entry::new(Event::RequestCancelled, Source::Chat, Actor::Person(person))
                .about(person)
                .in_guild(cancelled.guild_id)
                .of_request(cancelled.id)
                .change(former.state.code(), cancelled.state.code())
                .because(ErrorCode::NameUnavailable),
        );
        tx.end_check(cancelled.id).await?;
        tx.put_card(cancelled.id).await?;
    }
    Ok(())
}

/// Writes what belongs to a sent request: its audit row, its card and the job that checks directory and Keycloak.
async fn record_sending(tx: &mut Tx, request: &Request, guild: &Guild) -> Result<(), StoreError> {
    tx.audit(
        Entry::new(Event::RequestSubmitted, Source::Chat, Actor::Person(request.person_id))
            .about(request.person_id)
            .in_guild(guild.id)
            .of_request(request.id)
            .change(RequestState::Draft.code(), request.state.code()),
    );
    // The check usually ends within a second, and the card then shows its result at once.
    tx.put_card_soon(request.id).await?;
    let check = NewJob {
        person_id: request.person_id,
        account_id: None,
        request_id: Some(request.id),
        kind: JobKind::Check,
    };
    tx.enqueue_job_at_once(check).await?;
    Ok(())
}

fn sent(request: &Request, rule: &Rule, again: bool) -> Sent {
    Sent { code: request.code.clone(), automatic: rule.approval == Approval::Automatic, again }
}

/// Whether a refused `Send` is audited: if it concerns the person or a name. The others are coincidences or old buttons.
const fn is_audited(error_code: ErrorCode) -> bool {
    matches!(
        error_code,
        ErrorCode::NotEligible | ErrorCode::DeniedPerson | ErrorCode::TooMany | ErrorCode::NameUnavailable
    )
}

/// Why a request is not a draft that can be changed or sent: its time is over, the person dropped it, or it is a request now.
pub(super) fn no_draft(request: &Request) -> UseCaseError {
    let was_dropped =
        request.ended_at.zip(request.expires_at).is_some_and(|(ended, expires)| ended < expires);
    match request.state {
        RequestState::Expired if was_dropped => UseCaseError::with(ErrorCode::StaleButton, Details::Dropped),
        RequestState::Draft | RequestState::Expired => expired(),
        RequestState::Cancelled => {
            UseCaseError::with(ErrorCode::AlreadyDecided, Details::Ended { state: request.state })
        }
        RequestState::Waiting
        | RequestState::Held
        | RequestState::Approved
        | RequestState::Denied
        | RequestState::Failed => {
            let code = request.code.clone();
            UseCaseError::with(ErrorCode::AlreadyDecided, Details::AlreadySent { code })
        }
    }
}

fn expired() -> UseCaseError {
    UseCaseError::with(ErrorCode::StaleButton, Details::Expired)
}

const fn fault(field: Field, error_code: ErrorCode, rule: BrokenRule) -> FieldFault {
    FieldFault { field, error_code, rule: Some(rule) }
}
