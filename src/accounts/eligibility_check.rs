//! Who may ask for an account: checks eligibility, the deny list, and what the person already has.

use super::caller::Caller;
use super::context::Accounts;
use super::error::{Details, UseCaseError};
use crate::config::Guild;
use crate::domain::eligibility::{Eligibility, Rule, WhyNot, evaluate};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::member::MemberFacts;
use crate::domain::phase::AccountPhase;
use crate::domain::request::Request;
use crate::store::UnfinishedJob;

/// What the person already has.
pub(super) struct OpenRequest {
    /// An unsent draft, or a request that waits for another name. Its values prefill the next form.
    pub(super) former: Option<Request>,
}

impl Accounts {
    /// The guild and the member of the interaction, if the guild is configured and the member is the caller.
    pub(super) fn place_of<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> Result<(&'a Guild, &'a MemberFacts), UseCaseError> {
        let nowhere = || UseCaseError::with(ErrorCode::NotEligible, Details::WhyNot(vec![WhyNot::NoRules]));
        let guild = caller.guild_id.and_then(|id| self.config().guild(id)).ok_or_else(nowhere)?;
        let member = caller
            .member
            .as_ref()
            .filter(|member| member.user_id == caller.user_id && member.guild_id == guild.id)
            .ok_or_else(nowhere)?;
        Ok((guild, member))
    }

    /// The rule that makes the caller eligible now, judged by the member data of the interaction.
    pub(super) fn fitting_rule<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> Result<(&'a Guild, &'a Rule), UseCaseError> {
        let (guild, member) = self.place_of(caller)?;
        match evaluate(&guild.policy, member, self.clock().now()) {
            Eligibility::Eligible(rule) => Ok((guild, rule)),
            Eligibility::NotEligible(reasons) => {
                Err(UseCaseError::with(ErrorCode::NotEligible, Details::WhyNot(reasons)))
            }
        }
    }

    /// Whether the person may start a request now, by the store's data. It costs one statement. A use-case that promises something calls
    /// [`Store::flushed`](crate::store::Store::flushed) after it.
    pub(super) async fn may_ask(&self, user: DiscordUserId) -> Result<OpenRequest, UseCaseError> {
        let known = self.store().read_relaxed().await?.overview_of(user).await?;
        if known.is_denied {
            return Err(ErrorCode::DeniedPerson.into());
        }
        if let Some(account) = &known.account {
            let phase = AccountPhase::of(account.state, known.jobs.iter().map(UnfinishedJob::of_phase));
            return Err(has_account(phase, known.open.as_ref().or(known.latest.as_ref())));
        }
        if let Some(request) = known.open {
            if !waits_for_another_name(&request) {
                return Err(open(&request));
            }
            return Ok(OpenRequest { former: Some(request) });
        }
        let now = self.clock().now();
        let is_valid = |draft: &Request| draft.expires_at.is_none_or(|at| at > now);
        Ok(OpenRequest { former: known.draft.filter(is_valid) })
    }
}

/// Why somebody who has an account can't ask for one: its phase says what to do.
pub(super) fn has_account(phase: AccountPhase, request: Option<&Request>) -> UseCaseError {
    match (phase, request) {
        (AccountPhase::BeingMade, Some(request)) => open(request),
        (phase, _) => match phase.unavailable() {
            Some(why) => UseCaseError::with(ErrorCode::AlreadyHasAccount, Details::AccountUnavailable(why)),
            None => ErrorCode::AlreadyHasAccount.into(),
        },
    }
}

/// Whether the requested name can't be used, because the check or an approval found it taken. The person may send another request instead.
pub(super) fn waits_for_another_name(request: &Request) -> bool {
    request.state.is_open() && request.reason_code == Some(ErrorCode::NameUnavailable)
}

fn open(request: &Request) -> UseCaseError {
    UseCaseError::with(ErrorCode::RequestOpen, Details::Open { code: request.code.clone() })
}
