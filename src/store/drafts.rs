//! Drafts: submitted forms that were not sent yet, and `Send` itself.

use super::connection::{ReadConnection, Store, Tx};
use super::database::Kind;
use super::error::StoreError;
use super::request_rows::{RequestRow, SealedForm, request_columns};
use super::requests::{DraftChanged, NewDraft, SendDraft, Sent};
use super::sql::{all, bare, exec, maybe, sql, unless_taken};
use crate::crash;
use crate::domain::ids::{DiscordUserId, Nonce, RequestId};
use crate::domain::request::{Request, RequestState};

/// Letters of public codes: none that are easily confused when read aloud or typed.
const CODE_LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The length of a public code: 32^6 is about 10^9 codes.
const CODE_LEN: usize = 6;

/// How often a code is drawn. With a million requests, all four draws fail once in 10^12 drafts.
const CODE_DRAWS: usize = 4;

/// The columns that a new draft has.
macro_rules! draft_columns {
    () => {
        "id, code, guild_id, person_id, kind, state, revision, rule, username, skeleton, given_enc, family_enc, \
         address_enc, address_key, answer_enc, key_id, notice_version, lang, interaction_id, nonce, created_at, expires_at"
    };
}

/// A draft ends at this time, and its personal values are erased.
macro_rules! end_draft {
    ($now:literal) => {
        concat!(
            "UPDATE request SET state = 'expired', ended_at = ",
            $now,
            ", revision = revision + 1, given_enc = NULL, family_enc = NULL, address_enc = NULL, address_key = NULL, \
             answer_enc = NULL, key_id = NULL "
        )
    };
}

sql! {
    BY_INTERACTION = concat!("SELECT ", request_columns!(), " FROM request WHERE interaction_id = $1");
    /// A replaced draft ends like one that expired.
    END_DRAFT_OF = concat!(end_draft!("$2"), "WHERE person_id = $1 AND state = 'draft'");
    END_DRAFT = concat!(end_draft!("$2"), "WHERE id = $1 AND state = 'draft' RETURNING ", request_columns!());
    INSERT = concat!(
        "INSERT INTO request (", draft_columns!(), ") \
         VALUES ($1, $2, $3, $4, $5, 'draft', 1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) \
         ON CONFLICT (code) DO NOTHING RETURNING ", request_columns!());
    /// The whole transaction of a first form, for the person whose Discord user is `$21`. No row: the interaction was stored before, or
    /// the code is taken.
    FIRST = concat!(
        "BEGIN IMMEDIATE; \
         INSERT INTO person (id, discord_id, lang, created_at) VALUES ($4, $21, $16, $19) \
         ON CONFLICT (discord_id) DO UPDATE SET lang = excluded.lang; ",
        end_draft!("$19"),
        "WHERE person_id = (SELECT id FROM person WHERE discord_id = $21) AND state = 'draft' \
         AND NOT EXISTS (SELECT 1 FROM request WHERE interaction_id = $17); \
         INSERT INTO request (", draft_columns!(), ") \
         SELECT $1, $2, $3, (SELECT id FROM person WHERE discord_id = $21), $5, 'draft', 1, $6, $7, $8, $9, $10, $11, \
         $12, $13, $14, $15, $16, $17, $18, $19, $20 \
         WHERE NOT EXISTS (SELECT 1 FROM request WHERE interaction_id = $17) \
         ON CONFLICT (code) DO NOTHING RETURNING ", request_columns!(), "; \
         COMMIT"),
        // PostgreSQL runs one statement at a time.
        postgres: "";
    CHANGE = concat!(
        "UPDATE request SET revision = revision + 1, rule = $3, username = $4, skeleton = $5, given_enc = $6, \
         family_enc = $7, address_enc = $8, address_key = $9, answer_enc = $10, key_id = $11, notice_version = $12, \
         lang = $13, interaction_id = $14, nonce = $15, expires_at = $16 \
         WHERE id = $1 AND revision = $2 AND state = 'draft' RETURNING ", request_columns!());
    SEND = concat!(
        "UPDATE request SET state = 'waiting', rule = $3, sent_at = $4, expires_at = $5, revision = revision + 1 \
         WHERE id = $1 AND revision = $2 AND state = 'draft' RETURNING ", request_columns!());
}

impl ReadConnection {
    fn draw_code(&self) -> String {
        let mut random = [0; CODE_LEN];
        self.inner.rng.fill(&mut random);
        random.iter().map(|byte| char::from(CODE_LETTERS[usize::from(byte % 32)])).collect()
    }
}

impl Store {
    /// Stores the first form of a Discord user, and creates their person if they are new: [`Tx::ensure_person`] and [`Tx::put_draft`] in
    /// one transaction, which on SQLite is usually one statement text. It does not wait for the disk: see [`Tx::commit_relaxed`].
    pub async fn save_draft(&self, applicant: DiscordUserId, draft: NewDraft) -> Result<Request, StoreError> {
        if self.kind() == Kind::Sqlite
            && let Some(saved) = self.save_draft_as_one(applicant, &draft).await?
        {
            return Ok(saved);
        }
        let mut tx = self.begin().await?;
        let person = tx.ensure_person(applicant, &draft.lang).await?;
        let saved = tx.put_draft(NewDraft { person_id: person.id, ..draft }).await?;
        tx.commit_relaxed("draft").await?;
        Ok(saved)
    }

    /// `None` if the interaction was stored before, or the code is taken.
    async fn save_draft_as_one(
        &self,
        applicant: DiscordUserId,
        draft: &NewDraft,
    ) -> Result<Option<Request>, StoreError> {
        let id = RequestId::new(self.ids().uuid());
        let sealed = SealedForm::seal(&self.inner.keys, self.inner.rng.as_ref(), id, &draft.form);
        let nonce = self.ids().nonce().to_string();
        let mut writer = self.autocommit().await?;
        let (code, now) = (writer.draw_code(), writer.now().as_millis());
        crash::commit_point("before", "draft");
        let rows = all!(&mut writer, FIRST, RequestRow;
            id.to_string(), code, draft.guild_id.to_string(), draft.person_id.to_string(),
            draft.kind.code(), draft.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            &sealed.username, &sealed.skeleton, &sealed.given, &sealed.family, &sealed.address,
            &sealed.address_key, &sealed.answer, &sealed.key_id, draft.notice_version, &draft.lang,
            draft.interaction_id.to_string(), &nonce, now, draft.expires_at.as_millis(), applicant.to_string())?;
        writer.end_autocommit(true);
        crash::commit_point("after", "draft");
        rows.into_iter().next().map(|row| row.request(&self.inner.keys)).transpose()
    }
}

impl Tx {
    /// Stores a form as the person's only draft; an earlier draft expires and is erased. The same interaction, delivered twice, gives
    /// the same row.
    pub async fn put_draft(&mut self, draft: NewDraft) -> Result<Request, StoreError> {
        self.lock_key(&draft.person_id.to_string()).await?;
        if let Some(row) = maybe!(self, BY_INTERACTION, RequestRow; draft.interaction_id.to_string())? {
            return row.request(&self.inner.keys);
        }
        let now = self.now().as_millis();
        exec!(self, END_DRAFT_OF; draft.person_id.to_string(), now)?;
        let id = RequestId::new(self.inner.ids.uuid());
        let sealed = SealedForm::seal(&self.inner.keys, self.inner.rng.as_ref(), id, &draft.form);
        let nonce = self.inner.ids.nonce().to_string();
        for _ in 0..CODE_DRAWS {
            let code = self.draw_code();
            let inserted = maybe!(self, INSERT, RequestRow;
                id.to_string(), code, draft.guild_id.to_string(), draft.person_id.to_string(),
                draft.kind.code(), draft.rule.as_ref().map(|rule| rule.as_str().to_owned()),
                &sealed.username, &sealed.skeleton, &sealed.given, &sealed.family, &sealed.address,
                &sealed.address_key, &sealed.answer, &sealed.key_id, draft.notice_version, &draft.lang,
                draft.interaction_id.to_string(), &nonce, now, draft.expires_at.as_millis())?;
            if let Some(row) = inserted {
                return row.request(&self.inner.keys);
            }
        }
        Err(StoreError::NoFreeCode)
    }

    /// Replaces the form of a draft, if person and nonce match. The nonce changes.
    pub async fn change_draft(
        &mut self,
        id: RequestId,
        nonce: Nonce,
        draft: NewDraft,
    ) -> Result<DraftChanged, StoreError> {
        if let Some(row) = maybe!(self, BY_INTERACTION, RequestRow; draft.interaction_id.to_string())? {
            return Ok(DraftChanged::Done(row.request(&self.inner.keys)?));
        }
        let Some(seen) = self.request(id).await? else { return Ok(DraftChanged::Stale) };
        if seen.person_id != draft.person_id || seen.nonce != nonce {
            return Ok(DraftChanged::Stale);
        }
        if seen.state != RequestState::Draft {
            return Ok(DraftChanged::NotDraft(seen));
        }
        if self.is_past(&seen) {
            return Ok(DraftChanged::Expired(self.end_draft(&seen).await?));
        }
        let sealed = SealedForm::seal(&self.inner.keys, self.inner.rng.as_ref(), id, &draft.form);
        let fresh = self.inner.ids.nonce().to_string();
        let changed = maybe!(self, CHANGE, RequestRow;
            id.to_string(), seen.revision, draft.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            &sealed.username, &sealed.skeleton, &sealed.given, &sealed.family, &sealed.address,
            &sealed.address_key, &sealed.answer, &sealed.key_id, draft.notice_version, &draft.lang,
            draft.interaction_id.to_string(), fresh, draft.expires_at.as_millis())?;
        match changed {
            Some(row) => Ok(DraftChanged::Done(row.request(&self.inner.keys)?)),
            None => Ok(DraftChanged::Stale),
        }
    }

    /// Turns a draft into a waiting request. A draft that has expired is ended and erased: commit in that case, too.
    pub async fn send_draft(&mut self, send: SendDraft) -> Result<Sent, StoreError> {
        let Some((seen, was_sent)) = self.request_and_sent(send.id).await? else { return Ok(Sent::Stale) };
        if seen.person_id != send.person_id || seen.nonce != send.nonce {
            return Ok(Sent::Stale);
        }
        if was_sent {
            return Ok(Sent::AlreadySent(seen));
        }
        if seen.state != RequestState::Draft {
            return Ok(Sent::Expired);
        }
        if self.is_past(&seen) {
            self.end_draft(&seen).await?;
            return Ok(Sent::Expired);
        }
        if let Some(refused) = self.what_forbids_sending(&seen).await? {
            return self.unless_sent_meanwhile(send.id, refused).await;
        }
        let now = self.now().as_millis();
        let outcome = unless_taken!(self, SEND, RequestRow;
            send.id.to_string(), seen.revision, send.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            now, send.expires_at.as_millis())?;
        match outcome {
            Some(Some(row)) => Ok(Sent::Sent(row.request(&self.inner.keys)?)),
            // A unique index: another transaction was faster since the check above.
            None => {
                let refused = self.what_forbids_sending(&seen).await?.unwrap_or(Sent::NameTaken(seen));
                self.unless_sent_meanwhile(send.id, refused).await
            }
            // Another press of the same button was faster.
            Some(None) => match self.request_and_sent(send.id).await? {
                Some((row, true)) => Ok(Sent::AlreadySent(row)),
                Some((_, false)) | None => Ok(Sent::Stale),
            },
        }
    }

    /// On `PostgreSQL` another press of the same button may commit between two statements. Its own request then forbids this press.
    async fn unless_sent_meanwhile(&mut self, id: RequestId, refused: Sent) -> Result<Sent, StoreError> {
        Ok(match self.request_and_sent(id).await? {
            Some((row, true)) => Sent::AlreadySent(row),
            Some((_, false)) | None => refused,
        })
    }

    async fn what_forbids_sending(&mut self, draft: &Request) -> Result<Option<Sent>, StoreError> {
        if let Some(account) = self.account_of(draft.person_id).await? {
            return Ok(Some(Sent::HasAccount(account)));
        }
        if let Some(open) = self.open_request_of(draft.person_id).await? {
            return Ok(Some(Sent::RequestOpen(open)));
        }
        if self.name_is_taken(&draft.username, draft.person_id).await? {
            return Ok(Some(Sent::NameTaken(draft.clone())));
        }
        Ok(None)
    }

    fn is_past(&self, draft: &Request) -> bool {
        draft.expires_at.is_some_and(|at| at <= self.now())
    }

    async fn end_draft(&mut self, draft: &Request) -> Result<Request, StoreError> {
        let now = self.now().as_millis();
        let ended = maybe!(self, END_DRAFT, RequestRow; draft.id.to_string(), now)?;
        ended.ok_or(StoreError::Row { table: "request" })?.request(&self.inner.keys)
    }
}
