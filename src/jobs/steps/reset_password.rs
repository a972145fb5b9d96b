//! `reset_password`: Keycloak replaces the password by a random one that nobody knows, before the account is unlocked. Who set the old
//! one never gets in.
//!
//! The lock is exchanged for one that a new password removes with the same change, so the old password works at no moment. If the change
//! fails, the full lock is set again. The random value lives only in the memory of this step.

use secrecy::SecretString;

use super::linked_user;
use super::owned_entry::must_find_ours;
use crate::domain::account::AccountState;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{FailureAction, Outcome};
use crate::jobs::context::StepContext;
use crate::jobs::outcome::{StepDone, StepError};
use crate::worker::breaker::Target;

/// How many random bytes the password is made of.
const RANDOM_BYTES: usize = 24;

/// What the password begins with, so that it has a character of each class that a realm's password policy may ask for.
const OF_EACH_CLASS: &str = "aA1!";

pub(super) async fn ensure(ctx: &StepContext<'_>) -> Result<StepDone, StepError> {
    if ctx.account()?.state != AccountState::Disabled {
        // It was enabled already: the person's new password must stay.
        return Ok(StepDone::skipped());
    }
    let ours = must_find_ours(ctx).await?;
    let user = linked_user::find_user(ctx).await?;
    let user = user.ok_or(FailureAction::AskOperator { code: ErrorCode::ImportNotSeen })?;
    let (directory, keycloak) = (&ctx.worker.deps.directory, &ctx.worker.deps.keycloak);
    let locking = directory.lock_until_reset(&ours);
    ctx.call(Target::Directory, "lock_until_reset", locking).await??;
    let password = random_password(ctx);
    let resetting = keycloak.reset_password(&user, &password);
    match ctx.call(Target::Keycloak, "reset_password", resetting).await {
        Ok(Ok(())) => Ok(StepDone::plain(Outcome::Applied)),
        failed => {
            // Boxed, because this rare branch would enlarge the future of every step.
            Box::pin(lock_again(ctx)).await?;
            Err(match failed {
                Err(error) => error,
                Ok(refused) => StepError::from(refused.err().ok_or_else(crate::jobs::outcome::defect)?),
            })
        }
    }
}

/// Sets the full lock again, on which no password can be set. If that fails, too, the next attempt finds the lock that a password removes.
async fn lock_again(ctx: &StepContext<'_>) -> Result<(), StepError> {
    match super::owned_entry::lock(ctx).await {
        Err(StepError::LostLease) => Err(StepError::LostLease),
        Ok(_) | Err(StepError::FailureAction(_)) => Ok(()),
    }
}

fn random_password(ctx: &StepContext<'_>) -> SecretString {
    let mut random = [0_u8; RANDOM_BYTES];
    ctx.worker.deps.rng.fill(&mut random);
    SecretString::from([OF_EACH_CLASS, &hex::encode(random)].concat())
}
