//! Moderators decide. Presser and applicant are fetched fresh from Discord, then one compare-and-set decides.
//!
//! Who may press is judged before anything about the request is told. The rows of an approval are written by
//! `store::Tx::approve_request`, which an automatic rule uses too, so that an approval is one thing however it came about.

use super::answer::Chain;
use super::{Accounts, Caller, Details, Proof, Reviewer, UseCaseError};
use crate::config::Guild;
use crate::domain::approval::{Notify, Verdict, judge_moderator};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::eligibility::{RuleName, Verdict as Eligibility, judge};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, RequestId};
use crate::domain::member::MemberFacts;
use crate::domain::notification::Notification;
use crate::domain::request::{Answer, Request, RequestState};
use crate::store::{
    Approved, MessageKind, NewDecision, Person, ReadConnection, RequestMove, RequestMoved, StoreError, Tx,
};

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Yes or no.
    pub verdict: Verdict,
    /// The public code of the request.
    pub request_code: String,
    /// Whether the requester hears of a denial.
    pub tell: Notify,
}

/// Whether the press came from the request's present card.
pub(super) enum Shown {
    /// It did, when it arrived. An edit that follows while Discord is asked takes nothing from it.
    AtArrival,
    /// Not looked at yet, or it did not.
    Claimed(Proof),
}

impl From<Proof> for Shown {
    fn from(proof: Proof) -> Self {
        Self::Claimed(proof)
    }
}

/// How often a decision looks again when something else (the check, an edit) changed the request in between.
const LOOKS: usize = 3;

/// A request, and whose it is.
struct Case {
    request: Request,
    person: Person,
    applicant: DiscordUserId,
}

/// What Discord said a moment ago. `None` is no member.
pub(super) struct Fresh {
    pub(super) reviewer: Option<MemberFacts>,
    pub(super) applicant: Option<MemberFacts>,
}

impl Accounts {
    /// Approves: decision, account and its first job in one transaction.
    pub async fn approve(
        &self,
        reviewer: &Reviewer,
        id: RequestId,
        proof: Proof,
    ) -> Result<Decided, UseCaseError> {
        let (_, case) = self.case(reviewer.guild_id, id).await?;
        let shown = self.look_at_card(&case.request, proof).await?;
        // Boxed: two whole HTTP exchanges would otherwise lie in every caller's future.
        let (pressing, applying) = futures::future::join(
            Box::pin(self.fetch(reviewer.guild_id, reviewer.user_id)),
            Box::pin(self.fetch(reviewer.guild_id, case.applicant)),
        )
        .await;
        let fresh = Fresh { reviewer: pressing?, applicant: applying? };
        self.approve_on(reviewer, id, shown, &fresh).await
    }

    /// Denies, with a reason that the requester reads unless `tell` is quiet. Whether the applicant is still there does not matter.
    pub async fn deny(
        &self,
        reviewer: &Reviewer,
        id: RequestId,
        proof: Proof,
        reason: &str,
        tell: Notify,
    ) -> Result<Decided, UseCaseError> {
        let (_, case) = self.case(reviewer.guild_id, id).await?;
        let shown = self.look_at_card(&case.request, proof).await?;
        let pressing = self.fetch(reviewer.guild_id, reviewer.user_id).await?;
        self.deny_on(reviewer, id, shown, pressing.as_ref(), (reason, tell)).await
    }

    /// Whether the denial's form may open: a quick look at the interaction's member and the store. The submit judges again.
    pub async fn may_open_denial(
        &self,
        caller: &Caller,
        id: RequestId,
        proof: Proof,
    ) -> Result<(), UseCaseError> {
        self.within_limit(async {
            let (guild, member) = self.place_of(caller).map_err(|_| ErrorCode::StaleButton)?;
            let (_, case) = self.case(guild.id, id).await?;
            judge_moderator(member, &guild.deciding_roles(), case.applicant, self.clock().now())?;
            let mut view = self.store().read().await?;
            must_be_open(&mut view, &case.request).await?;
            drop(view);
            self.must_show(&case.request, proof).await
        })
        .await
    }

    /// The local half of [`Accounts::approve`]: everything after Discord answered.
    pub(super) async fn approve_on(
        &self,
        reviewer: &Reviewer,
        id: RequestId,
        shown: impl Into<Shown>,
        fresh: &Fresh,
    ) -> Result<Decided, UseCaseError> {
        let shown = shown.into();
        for _ in 0..LOOKS {
            let (guild, case) = self.case(reviewer.guild_id, id).await?;
            self.admit(reviewer, guild, &case, fresh.reviewer.as_ref()).await?;
            let mut view = self.store().read().await?;
            must_be_open(&mut view, &case.request).await?;
            drop(view);
            if let Shown::Claimed(proof) = shown {
                self.must_show(&case.request, proof).await?;
            }
            let rule = self.judge_applicant(reviewer, guild, &case, fresh.applicant.as_ref()).await?;
            if case.request.state == RequestState::Held {
                return Err(case.request.reason_code.unwrap_or(ErrorCode::AddressInUse).into());
            }
            if let Some(decided) = self.try_approval(reviewer, &case.request, rule).await? {
                return Ok(decided);
            }
        }
        Err(ErrorCode::StoreBusy.into())
    }

    /// The local half of [`Accounts::deny`].
    pub(super) async fn deny_on(
        &self,
        reviewer: &Reviewer,
        id: RequestId,
        shown: impl Into<Shown>,
        pressing: Option<&MemberFacts>,
        (reason, tell): (&str, Notify),
    ) -> Result<Decided, UseCaseError> {
        let shown = shown.into();
        for _ in 0..LOOKS {
            let (guild, case) = self.case(reviewer.guild_id, id).await?;
            self.admit(reviewer, guild, &case, pressing).await?;
            let mut view = self.store().read().await?;
            must_be_open(&mut view, &case.request).await?;
            drop(view);
            if let Shown::Claimed(proof) = shown {
                self.must_show(&case.request, proof).await?;
            }
            if let Some(decided) = self.try_denial(reviewer, &case.request, reason, tell).await? {
                return Ok(decided);
            }
        }
        Err(ErrorCode::StoreBusy.into())
    }

    /// Whether the button is of the card as it is noted. A card whose buttons are others, because two processes edited it across each
    /// other or because an edit is on its way, is brought up to date: the next press counts then.
    async fn must_show(&self, request: &Request, proof: Proof) -> Result<(), UseCaseError> {
        let mut view = self.store().read().await?;
        let judged = must_be_the_card(&mut view, request, proof).await;
        drop(view);
        if judged.as_ref().is_err_and(|denied| denied.details == Details::CardChanged) {
            let mut tx = self.store().begin().await?;
            tx.put_card(request.id).await?;
            tx.commit("card_again").await?;
        }
        judged
    }

    /// Looks at the card before Discord is asked: what the press came from is judged by the moment it arrived.
    async fn look_at_card(&self, request: &Request, proof: Proof) -> Result<Shown, UseCaseError> {
        let mut view = self.store().read().await?;
        match must_be_the_card(&mut view, request, proof).await {
            Ok(()) => Ok(Shown::AtArrival),
            Err(denied) if denied.error_code == ErrorCode::StaleButton => Ok(Shown::Claimed(proof)),
            Err(denied) => Err(denied),
        }
    }

    /// The request in this guild, and whose it is. A request of another guild is none.
    async fn case(&self, guild_id: GuildId, id: RequestId) -> Result<(&Guild, Case), UseCaseError> {
        let guild = self.config().guild(guild_id).ok_or(ErrorCode::StaleButton)?;
        let mut view = self.store().read().await?;
        let request = view
            .request(id)
            .await?
            .filter(|request| request.guild_id == guild_id && request.state != RequestState::Draft)
            .ok_or(ErrorCode::StaleButton)?;
        let person = view.person(request.person_id).await?.ok_or(ErrorCode::Internal)?;
        let applicant = person.discord_id.ok_or(ErrorCode::MemberGone)?;
        Ok((guild, Case { request, person, applicant }))
    }

    /// A member, fresh over HTTP. Without an answer nothing is decided.
    pub(super) async fn fetch(
        &self,
        guild: GuildId,
        user: DiscordUserId,
    ) -> Result<Option<MemberFacts>, UseCaseError> {
        let discord = self.shared.clients.discord.as_ref().ok_or(ErrorCode::Internal)?;
        discord.member(guild, user).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "a member could not be fetched, so nothing was decided");
            ErrorCode::Internal.into()
        })
    }

    /// Judges the presser; a press without the right to is audited.
    async fn admit(
        &self,
        reviewer: &Reviewer,
        guild: &Guild,
        case: &Case,
        facts: Option<&MemberFacts>,
    ) -> Result<(), UseCaseError> {
        let judged =
            match facts.filter(|facts| facts.user_id == reviewer.user_id && facts.guild_id == guild.id) {
                Some(facts) => {
                    judge_moderator(facts, &guild.deciding_roles(), case.applicant, self.clock().now())
                }
                None => Err(ErrorCode::NotModerator),
            };
        let Err(error_code) = judged else { return Ok(()) };
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        tx.audit(
            Entry::new(Event::PressRefused, reviewer.via, actor)
                .about(case.person.id)
                .in_guild(guild.id)
                .of_request(case.request.id)
                .because(error_code),
        );
        tx.commit("press_refused").await?;
        Err(error_code.into())
    }

    /// The rule that fits the applicant now. Who left ends their request; who is no longer entitled keeps it open.
    async fn judge_applicant(
        &self,
        reviewer: &Reviewer,
        guild: &Guild,
        case: &Case,
        facts: Option<&MemberFacts>,
    ) -> Result<RuleName, UseCaseError> {
        let request = &case.request;
        let Some(facts) = facts.filter(|facts| facts.user_id == case.applicant) else {
            self.end_for_leaver(reviewer, request).await?;
            return Err(ErrorCode::MemberGone.into());
        };
        let mut view = self.store().read().await?;
        let address = request.form.as_ref().map(|form| &form.address);
        if view.denial_of(case.applicant, address).await?.is_some() {
            return Err(ErrorCode::DeniedPerson.into());
        }
        drop(view);
        match judge(&guild.policy, facts, self.clock().now()) {
            Eligibility::Eligible(rule) => Ok(rule.name.clone()),
            Eligibility::NotEligible(reasons) => {
                self.note_lost_role(reviewer, request).await?;
                Err(UseCaseError::with(ErrorCode::RoleLost, Details::WhyNot(reasons)))
            }
        }
    }

    async fn end_for_leaver(&self, reviewer: &Reviewer, request: &Request) -> Result<(), UseCaseError> {
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        let change = RequestMove { reason_code: Some(ErrorCode::MemberGone), ..RequestMove::default() };
        if let RequestMoved::Done(cancelled) =
            tx.move_request(request, RequestState::Cancelled, change).await?
        {
            tx.end_check(request.id).await?;
            tx.audit(
                about(Event::RequestCancelled, reviewer.via, actor, request)
                    .change(request.state.code(), cancelled.state.code())
                    .because(ErrorCode::MemberGone),
            );
            tx.put_card(request.id).await?;
            tx.commit("member_gone").await?;
        }
        Ok(())
    }

    /// The request stays; its card says that the person is no longer entitled.
    async fn note_lost_role(&self, reviewer: &Reviewer, request: &Request) -> Result<(), UseCaseError> {
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        tx.audit(about(Event::RequestRefused, reviewer.via, actor, request).because(ErrorCode::RoleLost));
        // A hold keeps its own reason: it says what must be cleared first.
        if request.state == RequestState::Waiting {
            let change = RequestMove { reason_code: Some(ErrorCode::RoleLost), ..RequestMove::default() };
            if let RequestMoved::Done(_) = tx.move_request(request, request.state, change).await? {
                tx.put_card(request.id).await?;
            }
        }
        tx.commit("role_lost").await?;
        Ok(())
    }

    /// One try of the approving transaction; `None` if the request changed since it was seen.
    async fn try_approval(
        &self,
        reviewer: &Reviewer,
        seen: &Request,
        rule: RuleName,
    ) -> Result<Option<Decided>, UseCaseError> {
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        match tx.approve_request(seen, actor, reviewer.via, Some(rule)).await? {
            Approved::Done { request, .. } => {
                tx.commit("approve").await?;
                Ok(Some(Decided {
                    verdict: Verdict::Approve,
                    request_code: request.code,
                    tell: Notify::Told,
                }))
            }
            Approved::Lost(_) => Ok(None),
            Approved::AddressInUse(_) => {
                tx.roll_back().await?;
                self.hold(seen, ErrorCode::AddressInUse).await
            }
            Approved::NameTaken(_) => {
                tx.roll_back().await?;
                self.hold(seen, ErrorCode::NameUnavailable).await
            }
            Approved::HasAccount(_) => Err(ErrorCode::AlreadyHasAccount.into()),
        }
    }

    /// Approval met a taken address or name that the look had not seen: the request is held, and the card says so.
    async fn hold<T>(&self, seen: &Request, code: ErrorCode) -> Result<T, UseCaseError> {
        let mut tx = self.store().begin().await?;
        let change = RequestMove { reason_code: Some(code), ..RequestMove::default() };
        if let RequestMoved::Done(held) = tx.move_request(seen, RequestState::Held, change).await? {
            tx.audit(
                about(Event::RequestHeld, Source::Worker, Actor::System, &held)
                    .change(seen.state.code(), held.state.code())
                    .because(code),
            );
            tx.put_card(held.id).await?;
            if code == ErrorCode::NameUnavailable {
                tx.put_notification(held.person_id, Notification::NameTaken, held.id).await?;
            }
            tx.commit("hold").await?;
        }
        Err(code.into())
    }

    /// One try of the denying transaction; `None` if the request changed since it was seen.
    async fn try_denial(
        &self,
        reviewer: &Reviewer,
        seen: &Request,
        reason: &str,
        tell: Notify,
    ) -> Result<Option<Decided>, UseCaseError> {
        let reason = Answer::parse(reason).map(|reason| reason.as_str().to_owned());
        let mut tx = self.store().begin().await?;
        // The presser's row before the request's, as an approval takes them: whoever presses both at once would deadlock PostgreSQL.
        let actor = actor_of(&mut tx, reviewer).await?;
        let RequestMoved::Done(denied) =
            tx.move_request(seen, RequestState::Denied, RequestMove::default()).await?
        else {
            return Ok(None);
        };
        let decision = NewDecision {
            request_id: seen.id,
            round: 1,
            slot: 1,
            approver: actor.clone(),
            verdict: Verdict::Deny,
            reason: reason.clone(),
            tell,
        };
        if !tx.put_decision(decision).await? {
            return Ok(None);
        }
        tx.end_check(seen.id).await?;
        let mut entry = about(Event::RequestDenied, reviewer.via, actor, seen)
            .change(seen.state.code(), denied.state.code())
            .because(tell);
        entry.personal = reason;
        tx.audit(entry);
        tx.put_card(seen.id).await?;
        match tell {
            Notify::Told => tx.put_notification(seen.person_id, Notification::Denied, seen.id).await?,
            Notify::Quiet => {}
        }
        tx.commit("deny").await?;
        Ok(Some(Decided { verdict: Verdict::Deny, request_code: denied.code, tell }))
    }
}

/// Who acts, for the audit log: the operator at the command line, else the person behind the presser.
pub(super) async fn actor_of(tx: &mut Tx, reviewer: &Reviewer) -> Result<Actor, StoreError> {
    if let (Source::Cli, Some(login)) = (reviewer.via, &reviewer.cli_login) {
        return Ok(Actor::Cli(login.clone()));
    }
    let person = tx.ensure_person(reviewer.user_id, reviewer.lang.tag()).await?;
    Ok(Actor::Person(person.id))
}

/// Whether a moderator can still decide; else who did.
async fn must_be_open(view: &mut ReadConnection, request: &Request) -> Result<(), UseCaseError> {
    if request.state.is_open() {
        return Ok(());
    }
    let ended = UseCaseError::with(ErrorCode::AlreadyDecided, Details::Ended { state: request.state });
    let Some(decision) = view.decision_on(request.id).await? else { return Err(ended) };
    let Actor::Person(person) = decision.approver else { return Err(ended) };
    let who = view.person(person).await?.and_then(|person| person.discord_id);
    let decided = |who| Details::DecidedBy { who, verdict: decision.verdict, at: decision.at };
    Err(who.map_or(ended, |who| UseCaseError::with(ErrorCode::AlreadyDecided, decided(who))))
}

/// Whether the button is of the recorded card, with its present nonce or the one before.
async fn must_be_the_card(
    view: &mut ReadConnection,
    request: &Request,
    proof: Proof,
) -> Result<(), UseCaseError> {
    let Proof::Card { nonce, channel_id, message_id } = proof else { return Ok(()) };
    let card = view.message(request.id, MessageKind::Card).await?.filter(|card| {
        card.guild_id == request.guild_id
            && card.channel_id == channel_id
            // Posted, but we died before Discord's answer was stored: the nonce alone proves it.
            && card.message_id.is_none_or(|id| id == message_id)
    });
    match card {
        Some(card) if card.accepts(nonce) => Ok(()),
        Some(_) => Err(UseCaseError::with(ErrorCode::StaleButton, Details::CardChanged)),
        None => Err(ErrorCode::StaleButton.into()),
    }
}

fn about(event: Event, source: Source, actor: Actor, request: &Request) -> Entry {
    Entry::new(event, source, actor)
        .about(request.person_id)
        .in_guild(request.guild_id)
        .of_request(request.id)
}
