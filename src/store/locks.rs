//! What the search for lost locks reads and writes: accounts that must be locked, and the jobs that lock them again.

use super::accounts::{Row as AccountRow, account_columns};
use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::jobs::{Row as JobRow, job_columns, state_to_resume};
use super::sql::{all, bare, maybe, sql};
use crate::domain::account::Account;
use crate::domain::ids::AccountId;
use crate::domain::job::{Job, Step};

sql! {
    DISABLED = concat!("SELECT ", account_columns!(), " FROM account WHERE id > $1 AND state = 'disabled' \
        AND NOT EXISTS (SELECT w.seq FROM job AS w WHERE w.person_id = account.person_id \
        AND w.state IN ('open', 'undoing', 'needs_operator') AND w.kind IN ('lock', 'enable')) ORDER BY id LIMIT $2");
    /// Only as it was seen, and while no worker has it.
    LOCK_AGAIN = concat!("UPDATE job SET step = 'lock', state = $3, next_run = $4, attempt = 0, error_code = NULL, \
        revision = revision + 1 WHERE id = $1 AND revision = $2 AND owner IS NULL \
        AND state IN ('open', 'undoing', 'needs_operator') RETURNING ", job_columns!());
}

impl ReadConnection {
    /// A page of `disabled` accounts, oldest first, without an unfinished job that locks or unlocks them.
    pub async fn disabled_accounts(
        &mut self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        AccountRow::accounts(all!(self, DISABLED, AccountRow; after, i64::from(limit))?)
    }
}

impl Tx {
    /// Sets a waiting or stopped job that ends an account back to its step `lock`, due now. `None` if the job changed since it was seen.
    pub async fn lock_again(&mut self, seen: &Job) -> Result<Option<Job>, StoreError> {
        let state = state_to_resume(&Job { step: Some(Step::Lock), ..seen.clone() });
        let now = self.now().as_millis();
        let row = maybe!(self, LOCK_AGAIN, JobRow; seen.id.to_string(), seen.revision, state.code(), now)?;
        self.leaves_jobs |= row.is_some();
        row.map(JobRow::job).transpose()
    }
}
