//! A form that can't be used is kept for minutes, and `Correct it` opens it again as it was typed.

use std::time::Duration;

use super::caller::Caller;
use super::context::Accounts;
use super::error::{Details, FieldFault, UseCaseError};
use super::request::{DraftShown, Prefill, no_draft};
use crate::config::Guild;
use crate::domain::eligibility::Rule;
use crate::domain::error_code::ErrorCode;
use crate::domain::ids::{Nonce, RequestId, Timestamp};
use crate::domain::request::{FormInput, RequestState, TypedForm};
use crate::store::StoreError;

/// How long a form that can't be used is kept: as long as a draft.
const KEPT_FOR: Duration = Duration::from_mins(15);

/// The form that `Correct it` opens.
#[derive(Clone, Debug)]
pub struct Correction {
    /// What was typed.
    pub prefill: Prefill,
    /// The draft that it corrects, with the draft's nonce; `None` for a first form.
    pub draft: Option<(RequestId, Nonce)>,
}

impl Accounts {
    /// What the form shows when `Correct it` opens it.
    pub async fn correct_form(&self, caller: &Caller) -> Result<Correction, UseCaseError> {
        self.within_limit(async {
            let (guild, rule) = self.fitting_rule(caller)?;
            let typed = self.store().read_relaxed().await?.typed_form(caller.user_id, guild.id).await?;
            let typed =
                typed.ok_or_else(|| UseCaseError::with(ErrorCode::StaleButton, Details::NothingKept))?;
            let draft = if let Some(id) = typed.draft {
                Some((id, self.nonce_of_draft(caller, id).await?))
            } else {
                self.may_ask(caller.user_id).await?;
                None
            };
            Ok(Correction { prefill: self.as_typed(typed.input, rule), draft })
        })
        .await
    }

    /// Stores a corrected form: as a first draft, or in the draft that it corrects. What was kept of it is erased.
    pub async fn save_correction(
        &self,
        caller: &Caller,
        draft: Option<(RequestId, Nonce)>,
        typed: FormInput,
    ) -> Result<DraftShown, UseCaseError> {
        let shown = match draft {
            Some((id, nonce)) => self.change_draft(caller, id, nonce, typed).await?,
            None => self.save_draft(caller, typed).await?,
        };
        // If this fails, housekeeping erases it at its time.
        let _logged: Option<UseCaseError> = self.forget_typed(caller).await.err().map(UseCaseError::from);
        Ok(shown)
    }

    /// The error for a form that can't be used. What was typed is kept first. If the store can't keep it now, the person is told that it
    /// was not kept.
    pub(super) async fn invalid_form(
        &self,
        caller: &Caller,
        guild: &Guild,
        typed: TypedForm,
        faults: Vec<FieldFault>,
    ) -> UseCaseError {
        let first = faults.first().map_or(ErrorCode::Internal, |fault| fault.error_code);
        let until = self.clock().now().after(KEPT_FOR);
        let kept_until = match self.keep_typed(caller, guild, &typed, until).await {
            Ok(()) => Some(until),
            Err(error) => {
                let _logged = UseCaseError::from(error);
                None
            }
        };
        UseCaseError::with(first, Details::Form { faults, kept_until })
    }

    async fn keep_typed(
        &self,
        caller: &Caller,
        guild: &Guild,
        typed: &TypedForm,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.store().begin().await?;
        tx.keep_typed_form(caller.user_id, guild.id, typed, until).await?;
        // Like a draft: after a power cut, the person has to fill in the form again.
        tx.commit_relaxed("draft").await
    }

    async fn forget_typed(&self, caller: &Caller) -> Result<(), StoreError> {
        let Some(guild) = caller.guild_id else { return Ok(()) };
        let mut tx = self.store().begin().await?;
        tx.drop_typed_form(caller.user_id, guild).await?;
        tx.commit_relaxed("draft").await
    }

    /// The current nonce of the caller's own draft, if it can still be changed.
    async fn nonce_of_draft(&self, caller: &Caller, id: RequestId) -> Result<Nonce, UseCaseError> {
        let case = self.store().read_relaxed().await?.decision_case(id).await?;
        let case =
            case.filter(|case| case.applicant == Some(caller.user_id)).ok_or(ErrorCode::StaleButton)?;
        let draft = case.request;
        let is_open =
            draft.state == RequestState::Draft && draft.expires_at.is_none_or(|at| at > self.clock().now());
        if is_open { Ok(draft.nonce) } else { Err(no_draft(&draft)) }
    }

    fn as_typed(&self, input: FormInput, rule: &Rule) -> Prefill {
        Prefill {
            username: one_line(&input.username),
            address: one_line(&input.address),
            given: one_line(&input.given),
            family: one_line(&input.family),
            answer: input.answer.unwrap_or_default(),
            asks_reason: rule.ask_reason,
            max_username: self.config().username.max,
        }
    }
}

/// What was typed, without the characters that a field of one line can't hold.
fn one_line(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_control()).collect()
}
