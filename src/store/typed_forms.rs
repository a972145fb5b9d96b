//! Forms that could not be used, kept for minutes, so that the person corrects them instead of typing everything again.

use super::connection::{ReadConnection, Tx};
use super::error::StoreError;
use super::seal::Place;
use super::sql::{bare, exec, maybe, sql};
use crate::domain::ids::{DiscordUserId, GuildId, Timestamp};
use crate::domain::request::{FormInput, TypedForm};

sql! {
    KEEP = "INSERT INTO typed_form (owner_key, guild_id, request_id, values_enc, key_id, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner_key, guild_id) DO UPDATE SET request_id = excluded.request_id, \
        values_enc = excluded.values_enc, key_id = excluded.key_id, expires_at = excluded.expires_at";
    READ = "SELECT request_id, values_enc, key_id FROM typed_form WHERE owner_key = $1 AND guild_id = $2 AND expires_at > $3";
    DROP = "DELETE FROM typed_form WHERE owner_key = $1 AND guild_id = $2";
    ERASE = "DELETE FROM typed_form WHERE expires_at <= $1";
}

/// The draft that it corrects, the sealed values and their key, as [`READ`] gives them.
type Row = (Option<String>, Vec<u8>, String);

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Row { table: "typed_form" }
}

/// The values are authenticated with their owner, so they open for nobody else.
fn values_place(owner_key: &str) -> Place<'_> {
    Place { table: "typed_form", row: owner_key, column: "values_enc" }
}

impl ReadConnection {
    /// The keyed hash of a Discord user, who may have no person yet.
    fn owner_key(&self, owner: DiscordUserId) -> String {
        self.inner.keys.lookup("typed_form", &owner.to_string())
    }

    /// What this Discord user typed in this guild, unless it has expired.
    pub async fn typed_form(
        &mut self,
        owner: DiscordUserId,
        guild: GuildId,
    ) -> Result<Option<TypedForm>, StoreError> {
        let (key, now) = (self.owner_key(owner), self.now().as_millis());
        let found = maybe!(self, READ, Row; &key, guild.to_string(), now)?;
        let Some((draft, sealed, key_id)) = found else { return Ok(None) };
        let opened = self.inner.keys.open(values_place(&key), Some(&key_id), &sealed)?;
        let (username, address, given, family, answer) = serde_json::from_str(&opened).map_err(unreadable)?;
        let draft = draft.map(|id| id.parse()).transpose().map_err(unreadable)?;
        Ok(Some(TypedForm { draft, input: FormInput { username, address, given, family, answer } }))
    }
}

impl Tx {
    /// Keeps what a Discord user typed in a guild until `expires_at`. It replaces what was kept before.
    pub async fn keep_typed_form(
        &mut self,
        owner: DiscordUserId,
        guild: GuildId,
        typed: &TypedForm,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.owner_key(owner);
        let FormInput { username, address, given, family, answer } = &typed.input;
        let plain = serde_json::json!([username, address, given, family, answer]).to_string();
        let keys = &self.inner.keys;
        let sealed = keys.seal(self.inner.rng.as_ref(), values_place(&key), &plain);
        let key_id = keys.id().to_owned();
        exec!(self, KEEP;
            &key, guild.to_string(), typed.draft.map(|id| id.to_string()), sealed, key_id, expires_at.as_millis())
        .map(|_| ())
    }

    /// Erases what this Discord user typed in this guild.
    pub async fn drop_typed_form(&mut self, owner: DiscordUserId, guild: GuildId) -> Result<(), StoreError> {
        let key = self.owner_key(owner);
        exec!(self, DROP; key, guild.to_string()).map(|_| ())
    }

    /// Erases what has expired, and returns the number of forms.
    pub async fn erase_typed_forms(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        exec!(self, ERASE; now.as_millis())
    }
}
