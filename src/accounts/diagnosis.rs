//! `/doctor`: checks the external systems as `accolade doctor` does, with the service's own credentials, and reports only on the admin's
//! own guild.

use super::authority::Admin;
use super::context::Accounts;
use super::error::UseCaseError;
use crate::domain::diagnosis::Diagnosis;
use crate::domain::error_code::ErrorCode;

/// The answer to an admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosed {
    /// The whole result.
    Evaluated(Diagnosis),
    /// Another check is running, so this one did not start.
    UnderWay,
    /// The check takes longer than an admin waits; it continues in the background.
    TakesLong,
}

impl Accounts {
    /// Checks all external systems. The start of the check is audited.
    pub async fn diagnose(&self, admin: &Admin) -> Result<Diagnosed, UseCaseError> {
        let examiner = self.clients().examiner.as_ref().ok_or(ErrorCode::Internal)?;
        let Some(lock) = examiner.try_lock() else { return Ok(Diagnosed::UnderWay) };
        self.record_view(admin, &[]).await?;
        let mut config = self.config().clone();
        config.guilds.retain(|guild| admin.guild().is_none_or(|seen| guild.id == seen));
        match tokio::time::timeout(examiner.timeout(), examiner.begin(config, lock)).await {
            Ok(Ok(Some(diagnosis))) => Ok(Diagnosed::Evaluated(diagnosis)),
            // The panic hook has counted a panic and logged its location.
            Ok(Ok(None) | Err(_)) => Err(ErrorCode::Internal.into()),
            Err(_) => Ok(Diagnosed::TakesLong),
        }
    }
}
