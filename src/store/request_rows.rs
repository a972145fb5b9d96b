//! The request row: its columns, how it becomes the domain's [`Request`], and how a form is sealed into it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::error::StoreError;
use super::seal::{Keys, Place};
use crate::clock::Rng;
use crate::domain::eligibility::RuleName;
use crate::domain::ids::{Nonce, RequestId, Timestamp};
use crate::domain::mail_address::MailAddress;
use crate::domain::person_name::PersonName;
use crate::domain::request::{Answer, Form, Request};
use crate::domain::username::Username;

/// The columns of [`RequestRow`], for SELECT and RETURNING.
macro_rules! request_columns {
    () => {
        "id, code, guild_id, person_id, kind, state, reason_code, revision, rule, username, \
         given_enc, family_enc, address_enc, answer_enc, key_id, notice_version, lang, nonce, \
         created_at, sent_at, expires_at, ended_at"
    };
}
pub(super) use request_columns;

/// A request as the database returns it.
#[derive(sqlx::FromRow, Deserialize)]
pub(super) struct RequestRow {
    id: String,
    code: String,
    guild_id: String,
    person_id: String,
    kind: String,
    state: String,
    reason_code: Option<String>,
    revision: i64,
    rule: Option<String>,
    username: String,
    #[serde(deserialize_with = "from_hex")]
    given_enc: Option<Vec<u8>>,
    #[serde(deserialize_with = "from_hex")]
    family_enc: Option<Vec<u8>>,
    #[serde(deserialize_with = "from_hex")]
    address_enc: Option<Vec<u8>>,
    #[serde(deserialize_with = "from_hex")]
    answer_enc: Option<Vec<u8>>,
    key_id: Option<String>,
    notice_version: i64,
    lang: String,
    nonce: String,
    created_at: i64,
    pub(super) sent_at: Option<i64>,
    expires_at: Option<i64>,
    ended_at: Option<i64>,
}

/// Sealed columns are in hex where the row comes as JSON.
fn from_hex<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(json)?;
    text.map(|text| hex::decode(text).map_err(D::Error::custom)).transpose()
}

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Row { table: "request" }
}

impl RequestRow {
    pub(super) fn request(self, keys: &Keys) -> Result<Request, StoreError> {
        let username = Username::from_row(&self.username).map_err(unreadable)?;
        let form = self.form(keys, &username)?;
        Ok(Request {
            id: self.id.parse().map_err(unreadable)?,
            code: self.code,
            guild_id: self.guild_id.parse().map_err(unreadable)?,
            person_id: self.person_id.parse().map_err(unreadable)?,
            kind: self.kind.parse().map_err(unreadable)?,
            state: self.state.parse().map_err(unreadable)?,
            reason_code: self.reason_code.map(|code| code.parse()).transpose().map_err(unreadable)?,
            revision: self.revision,
            rule: self.rule.map(RuleName::new),
            form,
            username,
            notice_version: self.notice_version,
            lang: self.lang,
            nonce: self.nonce.parse::<Nonce>().map_err(unreadable)?,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_millis),
            ended_at: self.ended_at.map(Timestamp::from_millis),
        })
    }

    /// The form, unless its personal values were erased.
    fn form(&self, keys: &Keys, username: &Username) -> Result<Option<Form>, StoreError> {
        let (Some(given), Some(family), Some(address)) =
            (&self.given_enc, &self.family_enc, &self.address_enc)
        else {
            return Ok(None);
        };
        let open = |column, sealed: &[u8]| {
            keys.open(Place { table: "request", row: &self.id, column }, self.key_id.as_deref(), sealed)
        };
        let answer = self.answer_enc.as_deref().map(|sealed| open("answer_enc", sealed)).transpose()?;
        Ok(Some(Form {
            username: username.clone(),
            address: MailAddress::parse(&open("address_enc", address)?).map_err(unreadable)?,
            given: PersonName::parse(&open("given_enc", given)?).map_err(unreadable)?,
            family: PersonName::parse(&open("family_enc", family)?).map_err(unreadable)?,
            answer: answer.as_deref().and_then(Answer::parse),
        }))
    }
}

/// The personal columns of a form, sealed for one row.
pub(super) struct SealedForm {
    pub(super) username: String,
    pub(super) skeleton: String,
    pub(super) given: Vec<u8>,
    pub(super) family: Vec<u8>,
    pub(super) address: Vec<u8>,
    pub(super) address_key: String,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) key_id: String,
}

impl SealedForm {
    pub(super) fn seal(keys: &Keys, rng: &dyn Rng, id: RequestId, form: &Form) -> Self {
        let row = id.to_string();
        let seal = |column, plain: &str| keys.seal(rng, Place { table: "request", row: &row, column }, plain);
        Self {
            username: form.username.as_str().to_owned(),
            skeleton: form.username.skeleton().as_str().to_owned(),
            given: seal("given_enc", form.given.as_str()),
            family: seal("family_enc", form.family.as_str()),
            address: seal("address_enc", form.address.as_str()),
            address_key: address_key(keys, &form.address),
            answer: form.answer.as_ref().map(|answer| seal("answer_enc", answer.as_str())),
            key_id: keys.id().to_owned(),
        }
    }
}

/// The keyed hash that shows that two addresses are the same, without showing which.
pub(super) fn address_key(keys: &Keys, address: &MailAddress) -> String {
    keys.lookup("address", &address.folded())
}
