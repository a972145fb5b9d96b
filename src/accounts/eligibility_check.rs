//! Who may ask for an account: eligibility, the deny list, and what the person has already.

use super::{Accounts, Caller, Details, UseCaseError};
use crate::config::Guild;
use crate::domain::account::AccountState;
use crate::domain::eligibility::{Rule, Verdict, WhyNot, judge};
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::DiscordUserId;
use crate::domain::member::MemberFacts;
use crate::domain::request::Request;
use crate::store::ReadConnection;

/// What the person has that stands beside a new request.
pub(super) struct Standing {
    /// A draft that was not sent, or a request that waits for another name: its form is a good start for the next.
    pub(super) former: Option<Request>,
}

impl Accounts {
    /// The guild of the interaction and the member as it came, if both are ours.
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

    /// The rule that makes the caller eligible now, by the member that the interaction carried.
    pub(super) fn fitting_rule<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> Result<(&'a Guild, &'a Rule), UseCaseError> {
        let (guild, member) = self.place_of(caller)?;
        match judge(&guild.policy, member, self.clock().now()) {
            Verdict::Eligible(rule) => Ok((guild, rule)),
            Verdict::NotEligible(reasons) => {
                Err(UseCaseError::with(ErrorCode::NotEligible, Details::WhyNot(reasons)))
            }
        }
    }

    /// Whether the person may start a request now, as far as the store knows.
    pub(super) async fn may_ask(
        &self,
        view: &mut ReadConnection,
        user: DiscordUserId,
    ) -> Result<Standing, UseCaseError> {
        if view.denial_of(user, None).await?.is_some() {
            return Err(ErrorCode::DeniedPerson.into());
        }
        let Some(person) = view.person_of(user).await? else {
            return Ok(Standing { former: None });
        };
        if let Some(account) = view.account_of(person.id).await? {
            let request = view.latest_request_of(person.id).await?;
            let being_made = account.state == AccountState::Creating;
            return Err(match request {
                Some(request) if being_made => open(&request),
                Some(_) | None => ErrorCode::AlreadyHasAccount.into(),
            });
        }
        if let Some(request) = view.open_request_of(person.id).await? {
            if !waits_for_another_name(&request) {
                return Err(open(&request));
            }
            return Ok(Standing { former: Some(request) });
        }
        let now = self.clock().now();
        let draft = view.draft_of(person.id).await?;
        Ok(Standing { former: draft.filter(|draft| draft.expires_at.is_none_or(|at| at > now)) })
    }
}

/// Its name cannot be used (the look left it waiting, an approval that met the name held it): the person may send another request in its place.
pub(super) fn waits_for_another_name(request: &Request) -> bool {
    request.state.is_open() && request.reason_code == Some(ErrorCode::NameUnavailable)
}

fn open(request: &Request) -> UseCaseError {
    UseCaseError::with(ErrorCode::RequestOpen, Details::Open { code: request.code.clone() })
}
