//! Moderators approve and deny requests. The reviewer and, for an approval, the applicant are read from Discord again; then one
//! compare-and-set decides.
//!
//! The reviewer's right is checked before anything about the request is disclosed. `store::Tx::approve_request` writes the rows of an
//! approval, for moderators and for automatic rules alike. A press costs one read, at most two calls to Discord and one transaction.

use super::authority::{Attempt, actor_of};
use super::caller::{Caller, Proof, Reviewer};
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use crate::config::Guild;
use crate::domain::approval::{self, Notify, Verdict, authorize_moderator};
use crate::domain::audit::{Actor, Entry, Event, Source};
use crate::domain::eligibility::{Eligibility, RuleName, evaluate};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{DiscordUserId, GuildId, RequestId};
use crate::domain::member::MemberFacts;
use crate::domain::notification::Notification;
use crate::domain::request::{Answer, Request, RequestState};
use crate::store::{Approved, DecisionCase, Message, NewDecision, RequestMove, RequestMoved};

/// The result of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Yes or no.
    pub verdict: Verdict,
    /// The public code of the request.
    pub request_code: String,
    /// Whether the applicant is told of a denial.
    pub notify: Notify,
}

/// The current right to decide one request. Only [`Accounts::authorize_moderator`] makes one, and one decision consumes it.
#[derive(Debug)]
pub struct Moderator {
    reviewer: Reviewer,
    case: DecisionCase,
    applicant: DiscordUserId,
    card: CardProof,
    applicant_facts: ApplicantFacts,
}

impl Moderator {
    fn new(
        reviewer: Reviewer,
        _: approval::Moderator,
        case: DecisionCase,
        (applicant, applicant_facts): (DiscordUserId, ApplicantFacts),
        card: CardProof,
    ) -> Self {
        Self { reviewer, case, applicant, card, applicant_facts }
    }
}

/// Whether the press came from the request's current card.
#[derive(Clone, Copy, Debug)]
pub(super) enum CardProof {
    /// It did when it arrived. An edit during the calls to Discord does not invalidate it.
    Current,
    /// It did not when it arrived, or this was not checked yet: it must be checked now.
    Claimed(Proof),
}

/// How many attempts a decision has if the check or an edit changes the request in the meantime.
const ATTEMPTS: usize = 3;

/// Fresh facts from Discord. `None` means that they are not a member.
pub(super) struct FreshFacts {
    pub(super) reviewer: Option<MemberFacts>,
    pub(super) applicant: ApplicantFacts,
}

/// What Discord said of the applicant.
#[derive(Debug)]
pub(super) enum ApplicantFacts {
    /// Discord was not asked, because the decision does not need it.
    NotAsked,
    /// `None` means that they are not a member.
    Asked(Option<MemberFacts>),
}

impl Accounts {
    /// Checks whether this member may decide this request now. For an approval it also reads the applicant from Discord, at the same time.
    pub async fn authorize_moderator(
        &self,
        reviewer: &Reviewer,
        id: RequestId,
        proof: Proof,
        verdict: Verdict,
    ) -> Result<Moderator, UseCaseError> {
        let (case, applicant) = self.decision_case(reviewer.guild_id, id).await?;
        let card = match card_matches(&case, proof) {
            Ok(()) => CardProof::Current,
            // The form for the reason was opened on this card, and the card was edited while a moderator typed. The reason counts as
            // long as the request is open.
            Err(edited) if verdict == Verdict::Deny && edited.details == Details::CardChanged => {
                CardProof::Current
            }
            Err(stale) if stale.error_code == ErrorCode::StaleButton => CardProof::Claimed(proof),
            Err(refused) => return Err(refused),
        };
        let ask_for_applicant = async {
            match verdict {
                Verdict::Approve => {
                    self.fetch_member(reviewer.guild_id, applicant).await.map(ApplicantFacts::Asked)
                }
                Verdict::Deny => Ok(ApplicantFacts::NotAsked),
            }
        };
        // Boxed, because otherwise every caller's future would contain two whole HTTP exchanges.
        let (reviewing, applying) = futures::future::join(
            Box::pin(self.fetch_member(reviewer.guild_id, reviewer.user_id)),
            Box::pin(ask_for_applicant),
        )
        .await;
        let facts = FreshFacts { reviewer: reviewing?, applicant: applying? };
        self.moderator_from(reviewer, case, card, facts).await
    }

    /// The local half of [`Accounts::authorize_moderator`]: everything after Discord's answer.
    pub(super) async fn moderator_from(
        &self,
        reviewer: &Reviewer,
        case: DecisionCase,
        card: CardProof,
        facts: FreshFacts,
    ) -> Result<Moderator, UseCaseError> {
        let applicant = case.applicant.ok_or(ErrorCode::MemberGone)?;
        let attempt = Attempt::Decision(case.request.id, case.request.person_id);
        let authorize = |member: &MemberFacts, guild: &Guild, now| {
            authorize_moderator(member, &guild.deciding_roles(), applicant, now)
        };
        let role = self.check(reviewer, facts.reviewer.as_ref(), attempt, authorize).await?;
        Ok(Moderator::new(reviewer.clone(), role, case, (applicant, facts.applicant), card))
    }

    /// Approves a request: writes the decision, the account and its first job in one transaction.
    pub async fn approve(&self, mut moderator: Moderator) -> Result<Decided, UseCaseError> {
        let facts = match std::mem::replace(&mut moderator.applicant_facts, ApplicantFacts::NotAsked) {
            ApplicantFacts::Asked(facts) => facts,
            ApplicantFacts::NotAsked => {
                self.fetch_member(moderator.reviewer.guild_id, moderator.applicant).await?
            }
        };
        for attempt in 0..ATTEMPTS {
            self.refresh(&mut moderator, attempt).await?;
            let rule = self.applicants_rule(&moderator, facts.as_ref()).await?;
            let request = &moderator.case.request;
            if request.state == RequestState::Held {
                return Err(request.reason_code.unwrap_or(ErrorCode::AddressInUse).into());
            }
            if let Some(decided) = self.try_approval(&moderator, rule).await? {
                return Ok(decided);
            }
        }
        Err(ErrorCode::ChangedMeanwhile.into())
    }

    /// Denies a request, with a reason that the applicant reads unless `notify` is `Quiet`. The applicant need not be a member any more.
    pub async fn deny(
        &self,
        mut moderator: Moderator,
        reason: &str,
        notify: Notify,
    ) -> Result<Decided, UseCaseError> {
        for attempt in 0..ATTEMPTS {
            self.refresh(&mut moderator, attempt).await?;
            if let Some(decided) = self.try_denial(&moderator, reason, notify).await? {
                return Ok(decided);
            }
        }
        Err(ErrorCode::ChangedMeanwhile.into())
    }

    /// Checks whether the denial form may open, quickly, by the interaction's member and the store. The submitted form is checked again.
    pub async fn may_open_denial(
        &self,
        caller: &Caller,
        id: RequestId,
        proof: Proof,
    ) -> Result<(), UseCaseError> {
        self.within_limit(async {
            let (guild, member) = self.place_of(caller).map_err(|_| ErrorCode::StaleButton)?;
            let (case, applicant) = self.decision_case(guild.id, id).await?;
            authorize_moderator(member, &guild.deciding_roles(), applicant, self.clock().now())?;
            must_be_open(&case)?;
            self.must_match_card(&case, proof).await
        })
        .await
    }

    /// Reads the request again if the first read may be too old, and checks that this press can still decide it.
    async fn refresh(&self, moderator: &mut Moderator, attempt: usize) -> Result<(), UseCaseError> {
        let is_claimed = matches!(moderator.card, CardProof::Claimed(_));
        if attempt > 0 || is_claimed {
            let id = moderator.case.request.id;
            (moderator.case, _) = self.decision_case(moderator.reviewer.guild_id, id).await?;
        }
        must_be_open(&moderator.case)?;
        match moderator.card {
            CardProof::Current => Ok(()),
            CardProof::Claimed(proof) => self.must_match_card(&moderator.case, proof).await,
        }
    }

    /// Whether the button belongs to the card as it is recorded. If the card has other buttons (two processes edited it at the same time,
    /// or an edit is pending), it is edited again, so that the next press works.
    async fn must_match_card(&self, case: &DecisionCase, proof: Proof) -> Result<(), UseCaseError> {
        let matched = card_matches(case, proof);
        if matched.as_ref().is_err_and(|refused| refused.details == Details::CardChanged) {
            let mut tx = self.store().begin().await?;
            tx.put_card(case.request.id).await?;
            tx.commit("card_again").await?;
        }
        matched
    }

    /// The request in this guild, and the applicant. Requests of other guilds are not found.
    pub(super) async fn decision_case(
        &self,
        guild_id: GuildId,
        id: RequestId,
    ) -> Result<(DecisionCase, DiscordUserId), UseCaseError> {
        self.config().guild(guild_id).ok_or(ErrorCode::StaleButton)?;
        let case = self
            .store()
            .read()
            .await?
            .decision_case(id)
            .await?
            .filter(|case| case.request.guild_id == guild_id && case.request.state != RequestState::Draft)
            .ok_or(ErrorCode::StaleButton)?;
        let applicant = case.applicant.ok_or(ErrorCode::MemberGone)?;
        Ok((case, applicant))
    }

    /// The rule that matches the applicant now. If the applicant left the guild, the request is cancelled; if they are no longer eligible,
    /// it stays open.
    async fn applicants_rule(
        &self,
        moderator: &Moderator,
        facts: Option<&MemberFacts>,
    ) -> Result<RuleName, UseCaseError> {
        let Some(facts) = facts.filter(|facts| facts.user_id == moderator.applicant) else {
            self.end_for_leaver(moderator).await?;
            return Err(ErrorCode::MemberGone.into());
        };
        let guild = self.config().guild(moderator.case.request.guild_id).ok_or(ErrorCode::StaleButton)?;
        match evaluate(&guild.policy, facts, self.clock().now()) {
            Eligibility::Eligible(rule) => Ok(rule.name.clone()),
            Eligibility::NotEligible(reasons) => {
                self.note_lost_role(moderator).await?;
                Err(UseCaseError::with(ErrorCode::RoleLost, Details::WhyNot(reasons)))
            }
        }
    }

    async fn end_for_leaver(&self, moderator: &Moderator) -> Result<(), UseCaseError> {
        let (reviewer, request) = (&moderator.reviewer, &moderator.case.request);
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
            tx.put_notification(request.person_id, Notification::Cancelled, request.id).await?;
            tx.commit("member_gone").await?;
        }
        Ok(())
    }

    /// The request stays open; its card says that the person is no longer eligible.
    async fn note_lost_role(&self, moderator: &Moderator) -> Result<(), UseCaseError> {
        let (reviewer, request) = (&moderator.reviewer, &moderator.case.request);
        let mut tx = self.store().begin().await?;
        let actor = actor_of(&mut tx, reviewer).await?;
        tx.audit(about(Event::RequestRefused, reviewer.via, actor, request).because(ErrorCode::RoleLost));
        // A held request keeps its own reason, because that must be resolved first.
        if request.state == RequestState::Waiting {
            let change = RequestMove { reason_code: Some(ErrorCode::RoleLost), ..RequestMove::default() };
            if let RequestMoved::Done(_) = tx.move_request(request, request.state, change).await? {
                tx.put_card(request.id).await?;
            }
        }
        tx.commit("role_lost").await?;
        Ok(())
    }

    /// One attempt at the approving transaction; `None` if the request changed since it was read.
    async fn try_approval(
        &self,
        moderator: &Moderator,
        rule: RuleName,
    ) -> Result<Option<Decided>, UseCaseError> {
        let (reviewer, seen) = (&moderator.reviewer, &moderator.case.request);
        let mut tx = self.store().begin().await?;
        let address = seen.form.as_ref().map(|form| &form.address);
        if tx.denial_of(moderator.applicant, address).await?.is_some() {
            return Err(ErrorCode::DeniedPerson.into());
        }
        let actor = actor_of(&mut tx, reviewer).await?;
        match tx.approve_request(seen, actor, reviewer.via, Some(rule)).await? {
            Approved::Done { request, .. } => {
                tx.commit("approve").await?;
                Ok(Some(Decided {
                    verdict: Verdict::Approve,
                    request_code: request.code,
                    notify: Notify::Told,
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

    /// Holds a request whose address or name was taken after the check; the card says so.
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

    /// One attempt at the denying transaction; `None` if the request changed since it was read.
    async fn try_denial(
        &self,
        moderator: &Moderator,
        reason: &str,
        notify: Notify,
    ) -> Result<Option<Decided>, UseCaseError> {
        let (reviewer, seen) = (&moderator.reviewer, &moderator.case.request);
        let reason = Answer::parse(reason).map(|reason| reason.as_str().to_owned());
        let mut tx = self.store().begin().await?;
        // Lock the reviewer's row before the request's, as an approval does; otherwise two simultaneous presses could deadlock on
        // PostgreSQL.
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
            notify,
        };
        if !tx.put_decision(decision).await? {
            return Ok(None);
        }
        tx.end_check(seen.id).await?;
        let mut entry = about(Event::RequestDenied, reviewer.via, actor, seen)
            .change(seen.state.code(), denied.state.code())
            .because(notify);
        entry.personal = reason;
        tx.audit(entry);
        tx.put_card(seen.id).await?;
        match notify {
            Notify::Told => tx.put_notification(seen.person_id, Notification::Denied, seen.id).await?,
            Notify::Quiet => {}
        }
        tx.commit("deny").await?;
        Ok(Some(Decided { verdict: Verdict::Deny, request_code: denied.code, notify }))
    }
}

/// Checks that the request is still open; the error says who decided it.
fn must_be_open(case: &DecisionCase) -> Result<(), UseCaseError> {
    let state = case.request.state;
    if state.is_open() {
        return Ok(());
    }
    let details = match &case.decision {
        Some(decision) => match (&decision.approver, decision.discord_id) {
            (Actor::Person(_), Some(who)) => {
                Details::DecidedBy { who, verdict: decision.verdict, at: decision.at }
            }
            (Actor::Person(_) | Actor::Cli(_) | Actor::System, _) => Details::Ended { state },
        },
        None => Details::Ended { state },
    };
    Err(UseCaseError::with(ErrorCode::AlreadyDecided, details))
}

/// Whether the button belongs to the recorded card and carries its current or previous nonce.
fn card_matches(case: &DecisionCase, proof: Proof) -> Result<(), UseCaseError> {
    let Proof::Card { nonce, channel_id, message_id } = proof else { return Ok(()) };
    let is_there = |card: &&Message| {
        card.guild_id == case.request.guild_id
            && card.channel_id == channel_id
            // If the process died after posting, before it stored Discord's answer, the message id is missing and the nonce alone is the
            // proof.
            && card.message_id.is_none_or(|id| id == message_id)
    };
    match case.card.as_ref().filter(is_there) {
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
