-- Persons, their requests and their accounts.
-- Ids are UUIDv7 as text, times are milliseconds since 1970 in UTC, *_enc columns are sealed (src/store/seal.rs).

CREATE TABLE store_meta (
    one BIGINT PRIMARY KEY CHECK (one = 1), -- always 1: the table has one row
    key_id TEXT NOT NULL, -- fingerprint of the key file that belongs to this database
    restored_at BIGINT -- when the database was restored; it acts on nothing until an operator agrees and this is NULL again
);

CREATE TABLE person (
    id TEXT PRIMARY KEY, -- our own id; all other tables refer to it
    discord_id TEXT UNIQUE, -- the Discord user (snowflake); NULL once erased
    lang TEXT NOT NULL, -- language tag
    created_at BIGINT NOT NULL, -- when the row was written
    unreachable_since BIGINT -- since when Discord refuses direct messages to them; NULL if it does not
);

CREATE TABLE request (
    id TEXT PRIMARY KEY, -- our id
    code TEXT NOT NULL UNIQUE, -- the short public code that people read and type
    guild_id TEXT NOT NULL, -- the guild it was made in (snowflake)
    person_id TEXT NOT NULL REFERENCES person (id), -- the requester
    kind TEXT NOT NULL CHECK (kind IN ('account')), -- what is requested
    state TEXT NOT NULL CHECK (state IN ('draft', 'waiting', 'held', 'approved', 'denied', 'cancelled', 'expired', 'failed')), -- the present state
    reason_code TEXT, -- an error code: why it is held, denied, cancelled or failed
    revision BIGINT NOT NULL, -- counts every change; a compare-and-set names it
    rule TEXT, -- the rule that matched at the last check
    username TEXT NOT NULL, -- the requested user name
    skeleton TEXT NOT NULL, -- the look-alike form of that name
    given_enc BYTEA, -- given name, sealed; NULL once erased
    family_enc BYTEA, -- family name, sealed; NULL once erased
    address_enc BYTEA, -- mail address, sealed; NULL once erased
    address_key TEXT, -- HMAC of the address in lower case; NULL once the address is free again
    answer_enc BYTEA, -- the typed reason, sealed; NULL if none was asked for, or once erased
    key_id TEXT, -- the key that sealed the columns; NULL once erased
    notice_version BIGINT NOT NULL, -- the version of the privacy notice that was shown
    lang TEXT NOT NULL, -- the language of the form
    interaction_id TEXT NOT NULL UNIQUE, -- the interaction that carried the form; delivered twice, it makes one draft
    nonce TEXT NOT NULL, -- the nonce of the draft's buttons
    created_at BIGINT NOT NULL, -- when the form was first submitted
    sent_at BIGINT, -- when Send was pressed; NULL if it never was
    expires_at BIGINT, -- when it expires if nothing happens
    ended_at BIGINT -- when it reached its last state
);

-- A person has one open request.
CREATE UNIQUE INDEX request_open_person ON request (person_id) WHERE state IN ('waiting', 'held');
-- An open request reserves its name and all look-alikes of it.
CREATE UNIQUE INDEX request_open_skeleton ON request (skeleton) WHERE state IN ('waiting', 'held');
-- A person has one draft; a new form replaces it.
CREATE UNIQUE INDEX request_draft_person ON request (person_id) WHERE state = 'draft';
-- An address has one account in the making.
CREATE UNIQUE INDEX request_approved_address ON request (address_key) WHERE state = 'approved';
-- Housekeeping asks every few seconds which requests expire.
CREATE INDEX request_expiry ON request (expires_at) WHERE state IN ('draft', 'waiting', 'held');
-- Housekeeping asks which requests ended long ago and still hold personal values.
CREATE INDEX request_erasure ON request (ended_at) WHERE key_id IS NOT NULL;
-- Status and card ask for a person's requests.
CREATE INDEX request_person ON request (person_id, id);
-- Lists page by guild.
CREATE INDEX request_guild ON request (guild_id, id);

CREATE TABLE typed_form (
    owner_key TEXT NOT NULL, -- HMAC of the Discord user, who may have no person yet
    guild_id TEXT NOT NULL, -- the guild it was typed in (snowflake)
    request_id TEXT, -- the draft that it corrects; NULL for a first form; no reference, because it lives for minutes
    values_enc BYTEA NOT NULL, -- what was typed and can't be used, sealed: JSON
    key_id TEXT NOT NULL, -- the key that sealed it
    expires_at BIGINT NOT NULL, -- when it is erased
    PRIMARY KEY (owner_key, guild_id)
);

-- Housekeeping erases what has expired.
CREATE INDEX typed_form_expiry ON typed_form (expires_at);

CREATE TABLE decision (
    request_id TEXT NOT NULL REFERENCES request (id), -- the request that was decided
    round BIGINT NOT NULL, -- from 1; reopening a request starts the next round
    slot BIGINT NOT NULL, -- place in the quorum, from 1
    approver_id TEXT NOT NULL, -- who decided: a person id, cli:<login> or system
    verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'deny')), -- the decision
    reason_enc BYTEA, -- the typed reason, sealed; NULL if there is none, or once erased
    key_id TEXT, -- the key that sealed it
    notify TEXT NOT NULL CHECK (notify IN ('told', 'quiet')), -- whether the requester is told
    at BIGINT NOT NULL, -- when it was decided
    PRIMARY KEY (request_id, round, slot)
);

CREATE TABLE account (
    id TEXT PRIMARY KEY, -- our id; the mark on the directory entry carries it
    person_id TEXT NOT NULL REFERENCES person (id), -- the owner
    state TEXT NOT NULL CHECK (state IN ('creating', 'invited', 'active', 'disabled', 'conflict', 'closed')), -- the present state
    username TEXT NOT NULL, -- the user name, the entry's uid
    skeleton TEXT NOT NULL, -- the look-alike form of that name
    directory_id TEXT, -- the entry's permanent id
    keycloak_id TEXT, -- the Keycloak user's id
    nonce TEXT NOT NULL, -- the nonce of this account's buttons
    created_at BIGINT NOT NULL, -- when the row was written
    invited_at BIGINT, -- when the mail was sent
    activated_at BIGINT, -- when the first password was seen
    closed_at BIGINT, -- when the account ended
    revision BIGINT NOT NULL -- counts every change
);

-- Person, name, look-alike, entry and Keycloak user have at most one live account each.
CREATE UNIQUE INDEX account_live_person ON account (person_id) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_username ON account (username) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_skeleton ON account (skeleton) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_directory ON account (directory_id) WHERE state <> 'closed';
CREATE UNIQUE INDEX account_live_keycloak ON account (keycloak_id) WHERE state <> 'closed';
-- The activation poll walks through the invited accounts.
CREATE INDEX account_invited ON account (id) WHERE state = 'invited';
-- The search for lost locks walks through the disabled accounts.
CREATE INDEX account_disabled ON account (id) WHERE state = 'disabled';

CREATE TABLE tombstone (
    username TEXT NOT NULL, -- a name that was in use
    skeleton TEXT NOT NULL, -- the look-alike form of that name
    person_id TEXT NOT NULL REFERENCES person (id), -- the former owner, who may have it again
    directory_id TEXT, -- the former entry's permanent id
    at BIGINT NOT NULL, -- when the account was closed
    PRIMARY KEY (username, person_id)
);

-- Every new name is compared with the tombstones.
CREATE INDEX tombstone_skeleton ON tombstone (skeleton);
