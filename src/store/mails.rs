//! Mails that were requested from Keycloak, and which links of an account may still work.

use std::time::Duration;

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::sql::{all, bare, exec, sql};
use crate::domain::ids::{AccountId, JobId, Timestamp};
use crate::domain::mail::{Mail, MailState};

/// More than the number of links that can work at one time.
const MOST: i64 = 16;

sql! {
    OF_ACCOUNT = "SELECT begun_at, link_until, state FROM mail WHERE account_id = $1 \
        ORDER BY begun_at DESC, id DESC LIMIT $2";
    PUT = "INSERT INTO mail (id, account_id, job_id, begun_at, link_until, state) VALUES ($1, $2, $3, $4, $5, $6)";
    /// The newest mail of the job whose result is not known.
    SETTLE = "UPDATE mail SET state = $2 WHERE id = (SELECT id FROM mail WHERE job_id = $1 AND state = 'begun' \
        ORDER BY begun_at DESC, id DESC LIMIT 1)";
    UNDO = "DELETE FROM mail WHERE id = (SELECT id FROM mail WHERE job_id = $1 AND state = 'begun' \
        ORDER BY begun_at DESC, id DESC LIMIT 1)";
    FORGET = "DELETE FROM mail WHERE link_until < $1";
}

impl ReadConnection {
    /// The newest mails of an account, newest first.
    pub async fn mails_of(&mut self, account: AccountId) -> Result<Vec<Mail>, StoreError> {
        let rows = all!(self, OF_ACCOUNT, (i64, i64, String); account.to_string(), MOST)?;
        rows.into_iter()
            .map(|(at, link_until, state)| {
                let state = state.parse().map_err(|_| StoreError::Row { table: "mail" })?;
                Ok(Mail {
                    at: Timestamp::from_millis(at),
                    link_until: Timestamp::from_millis(link_until),
                    state,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Notes a mail of a job, whose link is valid for `lifespan` from now on: `begun` before Keycloak is asked, `held_back` if it will not
    /// be.
    pub async fn put_mail(
        &mut self,
        account: AccountId,
        job: JobId,
        lifespan: Duration,
        state: MailState,
    ) -> Result<(), StoreError> {
        let id = self.inner.ids.uuid().to_string();
        let now = self.now();
        let link_until = now.after(lifespan).as_millis();
        exec!(self, PUT;
            id, account.to_string(), job.to_string(), now.as_millis(), link_until, state.code())
        .map(|_| ())
    }

    /// Notes the result of the job's newest mail. An earlier one without a result stays `begun`.
    pub async fn settle_mail(&mut self, job: JobId, state: MailState) -> Result<(), StoreError> {
        exec!(self, SETTLE; job.to_string(), state.code()).map(|_| ())
    }

    /// Deletes the job's newest mail, which certainly was never requested.
    pub async fn undo_mail(&mut self, job: JobId) -> Result<(), StoreError> {
        exec!(self, UNDO; job.to_string()).map(|_| ())
    }

    /// Deletes mails whose links ended before `before`, and returns their number.
    pub async fn forget_mails(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        exec!(self, FORGET; before.as_millis())
    }
}
